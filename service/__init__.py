"""The broker: executes data-sharing agreements between partner agencies."""
