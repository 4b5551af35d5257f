"""Language services for editors."""
