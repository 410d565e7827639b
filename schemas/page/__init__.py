"""An agreement as a page that a person reads and prints: one HTML file that loads nothing.

Agencies make it from a file, the broker serves it. Every clause bears its path as its anchor, so that a decision can
link to ``#grants/3/group_by/age``.
"""
