"""What an agreement allows: pure decisions over an agreement, a caller, a request and a time."""
