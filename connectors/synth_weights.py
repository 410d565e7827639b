"""The made-up population, and when things happen: rough weights for plausible looks. They measure nothing.

What the rows of one dataset say is in its profile, `schemas.profile`.
"""

from __future__ import annotations

# Councils by population, in thousands and rounded.
LADS = {
    "E06000022": 195,
    "E06000023": 480,
    "E06000024": 220,
    "E06000025": 295,
    "E06000066": 580,
    "E08000032": 550,
    "E08000033": 210,
    "E08000034": 435,
    "E08000035": 820,
    "E08000036": 360,
}
AVON_AND_SOMERSET = ("E06000022", "E06000023", "E06000024", "E06000025", "E06000066")
# Cities have more violence than their people alone would.
CITY = {"E06000023": 1.8, "E08000035": 1.6, "E08000032": 1.6}

# By year of age, from 0 to 99.
AGES = (
    *(1,) * 10,
    *(4, 7, 11, 16, 21, 26, 29, 30),
    *(30, 29, 28, 27, 26, 25, 24),
    *(23,) * 10,
    *(17,) * 15,
    *(7,) * 15,
    *(2,) * 20,
    *(1,) * 15,
)
SEX = {"male": 60, "female": 38, "other": 1, "unknown": 1}
ETHNICITY = {
    "W1": 640, "W2": 6, "W3": 4, "W9": 55, "M1": 28, "M2": 8, "M3": 7, "M9": 14, "A1": 12, "A2": 14, "A3": 6,
    "A4": 4, "A9": 12, "B1": 34, "B2": 32, "B9": 20, "O2": 5, "O9": 14, "NS": 50, "unknown": 35,
}  # fmt: skip

HOURS = (7, 6, 5, 4, 2, 1, 1, 2, 3, 3, 3, 4, 5, 5, 5, 7, 7, 7, 7, 8, 8, 9, 9, 8)
MONTHS = (0.94, 0.92, 1.0, 0.99, 1.05, 1.07, 1.1, 1.06, 1.0, 1.02, 0.96, 1.0)
WEEKDAYS = (0.92, 0.9, 0.92, 0.95, 1.06, 1.18, 1.1)
