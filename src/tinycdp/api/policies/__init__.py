"""What an environment does with what it is sent."""
