"""The contract both sides share: documents, shapes, canonical JSON and identifier formats.

Imports neither ``service`` nor ``connectors``: an agency needs nothing else to check a file or a signature.
"""
