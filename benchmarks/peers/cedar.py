"""Cedar on the benchmark's grants: ``cedar.py CLAUSES.json TIMES``.

The file holds ``policies`` and ``requests``. Prints one JSON object: the seconds of each request by repetition, whether
each was allowed, and the version. The policies are parsed once beforehand, and that is not timed.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import cedarpy  # type: ignore[import-not-found]  # lives in the peer's own environment


def main(path: str, times: str) -> None:
    """Decide every request after a warm-up."""
    told = json.loads(Path(path).read_text())
    policies = cedarpy.PolicySet.from_str(told["policies"])
    entities = cedarpy.Entities.from_json_str("[]")
    seconds: list[list[float]] = []
    allowed: list[bool] = []
    for repetition in range(1 + int(times)):
        taken = []
        allowed = []
        for request in told["requests"]:
            start = time.perf_counter()
            answer = cedarpy.is_authorized(request, policies, entities)
            taken.append(time.perf_counter() - start)
            allowed.append(answer.allowed)
        if repetition:
            seconds.append(taken)
    print(json.dumps({"seconds": seconds, "allowed": allowed, "version": version("cedarpy")}))


if __name__ == "__main__":
    main(*sys.argv[1:])
