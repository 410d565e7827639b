"""OpenDP's Polars interface on the benchmark's rows: ``opendp_polars.py ROWS.parquet PERSON EPSILON PER_PERSON TIMES``.

PERSON is the column that tells persons apart. Prints one JSON object: seconds of each repetition, the rows of each,
and the version. Loading is not timed.
"""

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import opendp.prelude as dp
import polars as pl  # type: ignore[import-not-found]  # lives in the peer's own environment

dp.enable_features("contrib")
_BY = ("month", "lad", "sex")


def _ask(rows: pl.LazyFrame, keys: pl.LazyFrame, person: str, epsilon: float, per_person: int) -> Any:
    context = dp.Context.compositor(
        data=rows,
        privacy_unit=dp.unit_of(contributions=1, identifier=pl.col(person)),
        privacy_loss=dp.loss_of(epsilon=epsilon),
        split_evenly_over=1,
    )
    # Signed counts, so that nothing is clamped at zero, as in ours.
    count = dp.len(signed=True)  # type: ignore[attr-defined]  # added where Polars is there
    question = context.query().truncate_per_group(per_person).group_by(*_BY).agg(count).with_keys(keys)
    return question.release().collect()


def main(path: str, person: str, epsilon: str, per_person: str, times: str) -> None:
    """Ask the question after a warm-up."""
    frame = pl.read_parquet(path, columns=[person, *_BY])
    keys = frame.select(_BY).unique(maintain_order=False).sort(_BY).lazy()
    seconds, answers = [], []
    for repetition in range(1 + int(times)):
        start = time.perf_counter()
        answer = _ask(frame.lazy(), keys, person, float(epsilon), int(per_person))
        if repetition:
            seconds.append(time.perf_counter() - start)
            answers.append([list(row) for row in answer.select(*_BY, "len").rows()])
    print(json.dumps({"seconds": seconds, "answers": answers, "version": version("opendp")}))


if __name__ == "__main__":
    main(*sys.argv[1:])
