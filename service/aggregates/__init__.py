"""Asking: decide, charge, run the engine, add noise, store the release, answer."""
