"""The tamper-evident log: entries, the Merkle tree over them, signed checkpoints, exports.

``entry``, ``merkle``, ``checkpoint`` and ``export`` are pure: storage, clocks, keys and randomness are
arguments. Readers check the log with ``connectors.logverify``, which shares no code with this package.
"""
