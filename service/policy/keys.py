"""The public key set of a grouping: declared codes, bands and the periods a question names; never the data."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.artefacts import Library
from schemas.calendar import starts
from schemas.table_schema import AS_IS, Column
from service.errors import Malformed
from service.policy.filters import UNKNOWN, stored_codes
from service.policy.plan import (
    CodeFilter,
    CodeKeys,
    DateFilter,
    DateKeys,
    Filter,
    FlagFilter,
    FlagKeys,
    Keys,
    NumberFilter,
    NumberKeys,
)

MAX_CELLS = 100_000
_MAX_SINGLE_NUMBERS = 400


def build(column: Column, level: str, filters: Sequence[Filter], library: Library) -> Keys:
    """Return the keys of one grouping, narrowed by what the filters publicly exclude.

    Raises:
        Malformed: a date without from and to, or too many keys.
    """
    own = next((item for item in filters if item.field == column.name), None)
    if column.kind == "date":
        return _dates(column, level, own)
    if column.kind == "flag":
        keys = ("false", "true") if not isinstance(own, FlagFilter) else (str(own.value).lower(),)
        return FlagKeys(column.name, level, keys)
    if column.kind == "code":
        return _codes(column, level, own, library)
    return _numbers(column, level, own, library)


def _dates(column: Column, level: str, own: Filter | None) -> DateKeys:
    if not isinstance(own, DateFilter) or own.first is None or own.last is None:
        raise Malformed(
            f"grouping by {column.name} needs a condition on it with from and to, which fix the keys",
            code="date_range_needed",
        )
    if (own.last - own.first).days > 366 * 100:
        raise Malformed(f"the range of {column.name} is longer than a hundred years", code="too_many_cells")
    return DateKeys(column.name, level, tuple(starts(own.first, own.last, level)))


def _codes(column: Column, level: str, own: Filter | None, library: Library) -> CodeKeys:
    allowed = frozenset(own.codes) if isinstance(own, CodeFilter) else None
    kept = [code for code in stored_codes(column) if allowed is None or code in allowed]
    takes_others = column.takes_others and UNKNOWN in kept
    if level == AS_IS:
        others = UNKNOWN if takes_others else None
        return CodeKeys(column.name, level, tuple(kept), tuple((code, code) for code in kept), others)
    hierarchy = library.hierarchy(column.levels[level])
    mapping = library.coarser(column.levels[level], kept)
    reached = {key for _, key in mapping}
    others = hierarchy.map.get(UNKNOWN, UNKNOWN) if takes_others else None
    return CodeKeys(column.name, level, tuple(key for key in hierarchy.keys if key in reached), mapping, others)


def _numbers(column: Column, level: str, own: Filter | None, library: Library) -> NumberKeys:
    low, high = column.bounds
    if level == AS_IS:
        if high - low >= _MAX_SINGLE_NUMBERS:
            raise Malformed(f"{column.name} has too many numbers to group by one by one", code="too_many_cells")
        bands = [(str(number), number, number) for number in range(low, high + 1)]
    else:
        hierarchy = library.hierarchy(column.levels[level])
        bands = [(band.code, band.first, band.last) for band in hierarchy.bands]
    covered = sum(max(0, min(last, high) - max(first, low) + 1) for _, first, last in bands) == high - low + 1
    unknown = not covered or not column.constraints.required
    if isinstance(own, NumberFilter):
        bands = [band for band in bands if any(a <= band[2] and b >= band[1] for a, b in own.ranges)]
        unknown = own.missing or (unknown and not covered)
    keys = tuple(key for key, _, _ in bands) + (("unknown",) if unknown else ())
    return NumberKeys(column.name, level, keys, tuple(bands))
