"""Routes that erase, suppress and export profiles."""
