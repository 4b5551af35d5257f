"""The lists of static segments."""
