"""What takes batches: a database, an object storage, a broker. One module for each."""
