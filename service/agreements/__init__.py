"""Agreements: registering and signing versions, and whether one is in force."""
