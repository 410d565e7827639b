"""Peers' own ways to the same table, each run in an environment of its own; the locks lie beside them."""
