"""The effective plan: what a question comes to after policy, free of who asks and why.

Two requests with equal plans are the same question. Everything here is public: codes, levels, bounds, versions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, is_dataclass
from datetime import date
from functools import lru_cache
from math import prod
from typing import Any, ClassVar

from schemas.canonical import digest
from schemas.measures import measure_name


@dataclass(frozen=True, slots=True)
class CodeFilter:
    """Keep rows whose code is one of ``codes`` (stored codes, after any hierarchy was resolved), sorted.

    In a column that may hold codes outside its list, and where ``unknown`` is kept, ``but`` names the listed codes
    that are not: everything else is kept, whatever it is.
    """

    field: str
    codes: tuple[str, ...]
    but: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class FlagFilter:
    """Keep rows whose flag equals ``value``."""

    field: str
    value: bool


@dataclass(frozen=True, slots=True)
class DateFilter:
    """Keep rows dated ``first`` to ``last``, both included; None leaves an end open."""

    field: str
    first: date | None
    last: date | None


@dataclass(frozen=True, slots=True)
class NumberFilter:
    """Keep rows whose stored number lies in one of ``ranges`` (both ends included), sorted.

    ``missing`` says whether rows without the number are kept.
    """

    field: str
    ranges: tuple[tuple[int, int], ...]
    missing: bool = False


Filter = CodeFilter | FlagFilter | DateFilter | NumberFilter


@dataclass(frozen=True, slots=True)
class DateKeys:
    """Group a date column by ``level`` (day, month, quarter, year); keys are periods' first days."""

    field: str
    level: str
    starts: tuple[date, ...]


@dataclass(frozen=True, slots=True)
class CodeKeys:
    """Group a code column; ``mapping`` gives the key of each stored code, ``keys`` the public key set in order.

    Rows whose code maps to no key in ``keys`` fall out. ``others`` is the key of codes that ``mapping`` does not
    name, in a column that may hold them: that of ``unknown``. None where they fall out too.
    """

    field: str
    level: str
    keys: tuple[str, ...]
    mapping: tuple[tuple[str, str], ...]
    others: str | None = None


@dataclass(frozen=True, slots=True)
class NumberKeys:
    """Group a whole-number column into bands ``(key, first, last)``; numbers in no band and nulls are ``unknown``."""

    field: str
    level: str
    keys: tuple[str, ...]
    bands: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class FlagKeys:
    """Group a flag; the keys are ``false`` and ``true``, or one of them."""

    field: str
    level: str
    keys: tuple[str, ...]


Keys = DateKeys | CodeKeys | NumberKeys | FlagKeys


def key_count(groupings: Iterable[Keys]) -> int:
    """Return how many keys some groupings have together: the size of their product."""
    return prod(len(keys.starts) if isinstance(keys, DateKeys) else len(keys.keys) for keys in groupings)


@dataclass(frozen=True, slots=True)
class Binned:
    """Bands that a measure counts by, beside the question's groupings.

    Attributes:
        keys: The bands; of rows' numbers they hold every row, and ``unknown`` those without the number.
        LOWEST: Where a band begins that is open downwards: beyond every column, and still an integer of canonical JSON.
        HIGHEST: Where a band ends that is open upwards.
    """

    LOWEST: ClassVar[int] = -(2**53 - 1)
    HIGHEST: ClassVar[int] = 2**53 - 1

    keys: NumberKeys

    @property
    def told(self) -> tuple[str, ...]:
        """The names of the numbers that a release tells: one a band."""
        return self.keys.keys


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A grid, and which quantiles are read off it.

    Attributes:
        keys: A band up to each point of the grid, the last up to the largest number of the column, and ``unknown``.
        q: Which parts of the rows lie at or below each quantile, as decimals without trailing zeros, rising.
    """

    keys: NumberKeys
    q: tuple[str, ...]

    @property
    def told(self) -> tuple[str, ...]:
        """The names of the numbers that a release tells: one a quantile."""
        return self.q


CHANGE = ("difference", "percent")
"""The numbers that a ``change`` has in each cell."""


@dataclass(frozen=True, slots=True)
class Derived:
    """The measure of the same plan that one is worked out from.

    Attributes:
        base: That measure's kind; its column is the measure's own.
        periods: Over how many periods, where it is over any.
    """

    base: str
    periods: int | None = None


Detail = Binned | Quantiles | Derived
"""What a measure needs beside its field, by its kind."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure.

    Attributes:
        kind: As in a request: ``count``, ``mean``.
        field: The column that is measured, if any.
        low: The least of the column's stored integers, which are in units of ``10**-decimals``.
        high: The greatest.
        decimals: The column's decimal places.
        detail: What else its kind needs.
    """

    kind: str
    field: str | None = None
    low: int = 0
    high: int = 0
    decimals: int = 0
    detail: Detail | None = None

    @property
    def name(self) -> str:
        """``count``, ``persons``, ``sum_gravity``, ``mean_gravity``, ``histogram_age_sna_band``."""
        if isinstance(self.detail, Derived):
            named = [self.kind, measure_name(self.detail.base, self.field, None)]
            return "_".join(named + ([str(self.detail.periods)] if self.detail.periods is not None else []))
        return measure_name(self.kind, self.field, self.detail.keys.level if self.detail is not None else None)

    @property
    def base(self) -> str | None:
        """The name of the measure that it is worked out from; None where it is measured."""
        return measure_name(self.detail.base, self.field, None) if isinstance(self.detail, Derived) else None

    @property
    def part_names(self) -> tuple[str, ...]:
        """The names of the numbers that it has in each cell; none where it has one."""
        if isinstance(self.detail, Derived):
            return CHANGE if self.kind == "change" else ()
        return self.detail.told if self.detail is not None else ()

    @property
    def parts(self) -> int:
        """How many totals are noised for it in each cell of the table; of one worked out, how many numbers it has."""
        if self.detail is None or isinstance(self.detail, Derived):
            return len(self.part_names) or 1
        return len(self.detail.keys.keys)


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """A semi-join (``has``) or anti-join with the persons of another dataset's filtered rows."""

    dataset: str
    source: str
    has: bool
    filters: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class EffectivePlan:
    """A question after policy.

    Attributes:
        dataset: The dataset's name in this agreement version; not part of the question's identity.
        source: ``supplier/schema-name``: the dataset's identity across versions and names.
        unit: ``person`` or ``record``.
        per_person: K, the most that one person (or record) may add.
        pins: Digests of the artefacts that gave the plan its meaning, sorted by name.
    """

    dataset: str
    source: str
    unit: str
    filters: tuple[Filter, ...]
    by: tuple[Keys, ...]
    measures: tuple[Measured, ...]
    links: tuple[LinkPlan, ...]
    per_person: int
    pins: tuple[tuple[str, str], ...] = ()

    @property
    def cells(self) -> int:
        """How many cells the table has: the size of the public key set."""
        return key_count(self.by)

    @property
    def numbers(self) -> int:
        """How many numbers the widest measure has over the whole table."""
        return self.cells * max(measure.parts for measure in self.measures)

    def identity(self, versions: dict[str, str]) -> str:
        """Return the digest that names this question at these data versions.

        Order of measures, groupings, filters and links does not count, nor do dataset names: which data is read
        in which role is told by its opaque version.

        Args:
            versions: The opaque data version of each dataset in the plan, by name.
        """
        read = sorted([_link_digest(link), versions[link.dataset]] for link in self.links)
        return digest({"plan": _plan_digest(self), "version": versions[self.dataset], "links": read})


@lru_cache(maxsize=1024)
def _plan_digest(plan: EffectivePlan) -> str:
    """Return the digest of what a plan asks of its own dataset, whatever the order; kept, as previews ask again."""
    return digest(
        {
            "source": plan.source,
            "unit": plan.unit,
            "filters": _unordered(plan.filters),
            "by": _unordered(plan.by),
            "measures": _unordered(plan.measures),
            "per_person": plan.per_person,
            "pins": [list(pin) for pin in plan.pins],
        }
    )


@lru_cache(maxsize=1024)
def _link_digest(link: LinkPlan) -> str:
    return digest({"source": link.source, "has": link.has, "filters": _unordered(link.filters)})


def _unordered(parts: Iterable[Any]) -> list[dict[str, Any]]:
    return sorted((_plain(part) for part in parts), key=repr)


def _plain(part: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"type": type(part).__name__}
    for name in part.__dataclass_fields__:
        value = getattr(part, name)
        if value is not None or name not in _ONLY_WHERE_SAID:
            made[name] = _plain_value(value)
    return made


_ONLY_WHERE_SAID = ("but", "others", "detail", "periods")
"""Parts that came later: a plan without them is named as it was before, so that its stored releases are found."""


def _plain_value(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return _plain(value) if is_dataclass(value) else value
