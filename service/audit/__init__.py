"""The tamper-evident log: entries, the Merkle tree over them, signed checkpoints, exports.

``entry``, ``merkle``, ``checkpoint`` and ``export`` are pure: storage, clocks, keys and randomness are arguments.
What a reader uses to check the log is ``connectors.logverify``, which shares no code with this package.
"""
