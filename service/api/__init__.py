"""HTTP: thin routes over the use cases, and the one table from error codes to statuses."""
