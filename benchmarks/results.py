"""What a benchmark says: one JSON line a result, progress on standard error."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """One comparison.

    Attributes:
        name: Of the benchmark.
        ours: What Concordat took or did.
        other: What the other took or did, or a target.
        unit: Of both.
        against: Who the other is.
        larger_is_better: Ratios above 1 mean that ours is better, whichever it is.
        details: Further keys of the line.
    """

    name: str
    ours: float
    other: float
    unit: str
    against: str
    larger_is_better: bool = False
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """How many times better ours is."""
        return self.ours / self.other if self.larger_is_better else self.other / self.ours

    def line(self) -> str:
        """Return the result as a line of JSON."""
        made = {
            "name": self.name,
            "ours": _rounded(self.ours),
            "other": _rounded(self.other),
            "unit": self.unit,
            "ratio": _rounded(self.ratio),
            "against": self.against,
        }
        return json.dumps(made | self.details)


def median(seconds: Sequence[float]) -> float:
    """Return the middle of some repetitions."""
    return statistics.median(seconds)


def spread(seconds: Sequence[float]) -> str:
    """Return repetitions for people to read."""
    return " ".join(f"{second:.3f}" for second in seconds)


def say(words: str) -> None:
    """Tell how far it is."""
    print(words, file=sys.stderr, flush=True)


def _rounded(value: float) -> float:
    """Keep four significant digits."""
    return float(f"{value:.4g}")
