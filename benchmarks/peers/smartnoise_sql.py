"""SmartNoise SQL on the benchmark's rows: ``smartnoise_sql.py ROWS.csv PERSON EPSILON PER_PERSON TIMES``.

PERSON is the column that tells persons apart. Prints one JSON object: seconds of each repetition, the rows of each,
and the version. Loading is not timed.
"""

import json
import sys
import time
from importlib.metadata import version

import pandas as pd  # type: ignore[import-untyped]  # lives in the peer's own environment
from snsql import Privacy, from_df  # type: ignore[import-not-found]  # likewise

# MONTH is a word of its grammar, so that the column needs another name.
_QUESTION = "SELECT period, lad, sex, COUNT(*) AS n FROM bench.calls GROUP BY period, lad, sex"


def main(rows: str, person: str, epsilon: str, per_person: str, times: str) -> None:
    """Ask the question after a warm-up."""
    frame = pd.read_csv(rows, usecols=[person, "month", "lad", "sex"]).rename(columns={"month": "period"})
    text = {"type": "string"}
    table = {
        "row_privacy": False,
        "rows": len(frame),
        "max_ids": int(per_person),
        "sample_max_ids": True,
        "censor_dims": False,  # the cells are public, as in ours
        person: {"type": "int" if person == "number" else "string", "private_id": True},
        "period": text,
        "lad": text,
        "sex": text,
    }
    privacy = Privacy(epsilon=float(epsilon), delta=0.0)
    reader = from_df(frame, privacy=privacy, metadata={"": {"bench": {"calls": table}}})
    reader.execute(_QUESTION)
    seconds, answers = [], []
    for _ in range(int(times)):
        start = time.perf_counter()
        answer = reader.execute(_QUESTION)
        seconds.append(time.perf_counter() - start)
        answers.append([list(row) for row in answer[1:]])
    print(json.dumps({"seconds": seconds, "answers": answers, "version": version("smartnoise-sql")}))


if __name__ == "__main__":
    main(*sys.argv[1:])
