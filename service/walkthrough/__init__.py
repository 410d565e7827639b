"""The life of one agreement, told by running it: ``python -m service.walkthrough > docs/walkthrough-agreement.md``.

Every command is the real one, run by a shell of the party that it belongs to, against a broker of its own. Only time is
made: the broker's clock is moved on once, to where the period of grace is over.
"""
