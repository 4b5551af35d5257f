"""Numbers, instants, dates and versions as the language computes with them."""
