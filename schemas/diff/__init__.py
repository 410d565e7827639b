"""What changed between two agreements, clause by clause, in words for those who must sign. Pure.

Every change has an effect, found by rule: it ``widens`` where more may be asked, spent or kept, ``narrows`` where less
may, and is ``neutral`` where the broker would decide alike. What cannot be told is said to widen, so that nobody signs
a widening unseen.
"""
