"""What is kept of a profile's events so that any rolling window can be answered."""
