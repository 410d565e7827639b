"""A release as flat rows: what tables, charts and CSV files are made of."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PARTS = ("value", "unrounded", "low", "high", "usable")


@dataclass(frozen=True, slots=True)
class Cell:
    """One released number.

    Attributes:
        value: As published: rounded, not negative.
        unrounded: As it came from the noise.
        low: Where the 95% interval of the noise begins; None where there is none.
        high: Where it ends.
        usable: Whether it is exact enough by the agreement's rule.
    """

    value: float | None
    unrounded: float | None
    low: float | None
    high: float | None
    usable: bool

    @property
    def half_width(self) -> float | None:
        """Half the interval: the number after the plus-minus sign."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def centre(self) -> float | None:
        """The middle of the interval, where a chart puts the point."""
        return None if self.low is None or self.high is None else (self.high + self.low) / 2


def key_names(release: Mapping[str, Any]) -> list[str]:
    """Return the names of the key columns, in order."""
    keys = set(release.get("keys", ()))
    return [str(name) for name in release["columns"] if name in keys]


def measure_names(release: Mapping[str, Any]) -> list[str]:
    """Return the names of the measures, in order; one of several parts gives a name for each, as ``repeat_3-4``."""
    first = next(iter(release["rows"]), None)
    if first is None:
        return _measures(release)
    return [name for measure in _measures(release) for name, _ in _numbers(measure, first)]


def rows(release: Mapping[str, Any]) -> Iterator[tuple[list[str], list[Cell]]]:
    """Yield the keys and the measured cells of each row."""
    keys, measures = key_names(release), _measures(release)
    for row in release["rows"]:
        cells = [_cell(held) for measure in measures for _, held in _numbers(measure, row)]
        yield [str(row["keys"][name]) for name in keys], cells


def to_csv(release: Mapping[str, Any]) -> str:
    """Return the release as CSV (RFC 4180), in the columns of the broker's own CSV."""
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\r\n").writerow
    measures = measure_names(release)
    write(key_names(release) + [name if part == "value" else f"{name}_{part}" for name in measures for part in PARTS])
    for keys, cells in rows(release):
        flat = [getattr(cell, part) for cell in cells for part in PARTS]
        write([*keys, *(str(item).lower() if isinstance(item, bool) else item for item in flat)])
    return text.getvalue()


def _measures(release: Mapping[str, Any]) -> list[str]:
    keys = set(release.get("keys", ()))
    return [str(name) for name in release["columns"] if name not in keys]


def _numbers(measure: str, row: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return a measure's numbers in a row, by name."""
    held = row["measures"][measure]
    parts = held.get("parts")
    return [(f"{measure}_{part['part']}", part) for part in parts] if isinstance(parts, list) else [(measure, held)]


def _cell(measured: Mapping[str, Any]) -> Cell:
    interval = measured.get("noise_interval")
    low, high = interval if isinstance(interval, list) and len(interval) == 2 else (None, None)  # noqa: PLR2004 - a pair
    return Cell(measured.get("value"), measured.get("unrounded"), low, high, usable=measured.get("usable") is True)
