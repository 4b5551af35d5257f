"""The questions that analytics answers, and what makes one valid."""
