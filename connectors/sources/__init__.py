"""Mappings of files as others publish them to Concordat's dataset schemas."""
