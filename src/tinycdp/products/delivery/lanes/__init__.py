"""One lane per destination, with its own order, speed and breaker."""
