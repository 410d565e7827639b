"""``python -m benchmarks [--only NAME]``: one JSON line a result on standard output, progress on standard error."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks import aggregate, decide, preview, push
from benchmarks.broker import Broker, broker
from benchmarks.data import Data, make
from benchmarks.results import Result, say

NAMES = (decide.NAME, *aggregate.NAMES, push.NAME, preview.NAME)


def run(names: list[str], asked: Broker, data: Data, cache: Path) -> Iterator[Result]:
    """Run benchmarks one after the other, never two at once."""
    if push.NAME in names:
        say(push.NAME)
        yield from push.compare(asked, data, cache)
    elif set(names) & set(aggregate.NAMES):
        say("pushing the rows")
        push.load(asked, data)
    aggregates = [name for name in names if name in aggregate.NAMES]
    if aggregates:
        say(", ".join(aggregates))
        yield from aggregate.compare(aggregates, asked, data, cache)
    if preview.NAME in names:
        say(preview.NAME)
        yield from preview.compare(asked)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=NAMES, help="one benchmark; may be given again")
    parser.add_argument("--cache", type=Path, default=Path(".bench"), help="for rows and peers' environments")
    chosen = parser.parse_args()
    cache = chosen.cache.resolve()
    names = chosen.only or list(NAMES)
    if decide.NAME in names:
        say(decide.NAME)
        for result in decide.compare(cache):
            print(result.line(), flush=True)
    if set(names) <= {decide.NAME}:
        return
    say("rows")
    data = make(cache)
    with broker(cache) as asked:
        for result in run(names, asked, data, cache):
            print(result.line(), flush=True)


if __name__ == "__main__":
    main()
