"""How often made-up rows say what: rough weights for plausible looks. They measure nothing."""

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

# By name of the code list.
CODES: dict[str, dict[str, float]] = {
    "offence-group": {
        "homicide": 0.1, "violence-with-injury": 25, "violence-without-injury": 32, "robbery": 4,
        "stalking-and-harassment": 18, "sexual-offences": 8, "possession-of-weapons": 2.5,
        "public-order": 10, "unknown": 0.4,
    },
    "offence-role": {"victim": 58, "suspect": 41, "unknown": 1},
    "outcome-group": {
        "charged": 8, "out-of-court": 2, "community-resolution": 4, "evidential-victim-supports": 18,
        "evidential-victim-does-not-support": 32, "no-suspect": 19, "not-in-public-interest": 2,
        "other-agency": 2, "not-yet-assigned": 12, "unknown": 1,
    },
    "assault-method": {
        "body-part": 62, "blunt-object": 8, "glass-or-bottle": 5, "knife-or-sharp-object": 6,
        "firearm": 0.2, "pushed": 9, "other": 4, "unknown": 6,
    },
    "exclusion-category": {"PERM": 2, "SUSP": 98, "unknown": 0.1},
    "sen": {"N": 52, "K": 34, "E": 13, "unknown": 1},
    "ambulance-card": {"assault": 88, "stab-or-gunshot": 11, "unknown": 1},
    "street-crime-type": {
        "violence-and-sexual-offences": 36, "anti-social-behaviour": 15, "public-order": 10,
        "criminal-damage-and-arson": 9, "shoplifting": 8, "other-theft": 7, "vehicle-crime": 6, "burglary": 4,
        "other-crime": 1.5, "drugs": 1.5, "bicycle-theft": 1.3, "robbery": 1.1, "possession-of-weapons": 0.6,
        "theft-from-the-person": 0.6, "unknown": 0.1,
    },
}  # fmt: skip

# By name of the column: how often a flag is true.
FLAGS = {
    "knife": 0.07,
    "firearm": 0.006,
    "domestic": 0.34,
    "alcohol": 0.22,
    "conveyed": 0.55,
    "free_school_meals": 0.45,
    "first_time_entrant": 0.4,
}

# By name of the column: how often a number is so great, from its minimum on.
NUMBERS = {
    "gravity": (10, 18, 30, 16, 11, 9, 4, 2),
    "sessions": (2, 12, 30, 10, 16, 4, 10, 2, 4, 1, 6),
}
