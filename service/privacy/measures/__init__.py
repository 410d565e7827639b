"""The measures: one file a kind, found by ``registry``. How to add one: CONTRIBUTING.md."""
