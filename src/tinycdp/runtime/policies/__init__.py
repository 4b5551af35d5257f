"""What an environment does with the messages it is sent: rules its admins set, and what applies them."""
