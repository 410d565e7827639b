"""A made-up population that the extracts of several agencies share."""

from __future__ import annotations

import hashlib
import hmac
import random
import secrets
from collections.abc import Sequence

from connectors import synth_weights as weights
from schemas.profile import Profile

BATCH = 20_000
"""How many persons, or rows, are made up at a time."""


class World:
    """A made-up population: persons with age, sex, ethnicity and a council they live in.

    A person is a number from 0; persons with low numbers turn up most. What a person is depends on the seed
    and the number alone, not on how many persons anybody asks for.
    """

    def __init__(
        self,
        seed: int | None = None,
        *,
        lads: Sequence[str] = weights.AVON_AND_SOMERSET,
        key: bytes | None = None,
    ) -> None:
        """Begin an empty world.

        Args:
            seed: Equal seeds make equal worlds; None makes a new one each time.
            lads: The codes of the councils that persons live in.
            key: What pseudonyms are made with; drawn from the seed where there is none.
        """
        self.seed = secrets.randbits(64) if seed is None else seed
        self.lads = tuple(lads)
        self._key = key or hashlib.sha256(f"synthetic persons {self.seed}".encode()).digest()
        self._random = random.Random(f"{self.seed} persons")  # noqa: S311 - made-up rows need no secrecy
        self.pseudonyms: list[str] = []
        self.ages: list[int] = []
        self.sexes: list[str] = []
        self.ethnicities: list[str] = []
        self.homes: list[str] = []

    def source(self, *parts: str | int) -> random.Random:
        """Return the chances of one file of this world."""
        named = hmac.digest(self._key, repr(parts).encode(), "sha256")
        return random.Random(named)  # noqa: S311 - made-up rows need no secrecy

    def people(self, count: int) -> None:
        """See to it that there are at least ``count`` persons."""
        draw = self._random.choices
        while len(self.ages) < count:
            first = len(self.ages)
            self.ages += draw(range(len(weights.AGES)), weights.AGES, k=BATCH)
            self.sexes += draw(list(weights.SEX), list(weights.SEX.values()), k=BATCH)
            self.ethnicities += draw(list(weights.ETHNICITY), list(weights.ETHNICITY.values()), k=BATCH)
            self.homes += draw(self.lads, [lad_weight(lad) for lad in self.lads], k=BATCH)
            self.pseudonyms += [
                hmac.digest(self._key, b"person %d" % number, "sha256").hex() for number in range(first, first + BATCH)
            ]


def lad_weight(lad: str) -> float:
    """Return how often things happen in a council, or people live there."""
    return weights.LADS.get(lad, 100) * weights.CITY.get(lad, 1.0)


def crowd(profile: Profile, world: World, count: int) -> Sequence[int]:
    """Return the persons that a dataset is about, by the ages that its profile keeps, those that turn up most first."""
    if not profile.ages:
        world.people(count)
        return range(count)
    keep = [profile.keep(age) for age in range(len(weights.AGES))]
    chance = random.Random(f"{world.seed} crowd {profile.name}").random  # noqa: S311 - made-up rows need no secrecy
    found: list[int] = []
    number = 0
    while len(found) < count:
        world.people(number + BATCH)
        found += [person for person in range(number, number + BATCH) if chance() < keep[world.ages[person]]]
        number += BATCH
    return found[:count]
