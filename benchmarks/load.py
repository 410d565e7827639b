"""A few connections that ask as fast as they are answered: a process of its own, ``python -m benchmarks.load``.

Reads one JSON object ``{"host", "port", "path", "headers", "body", "connections", "seconds"}`` from standard input
and prints ``{"seconds": ..., "statuses": {"200": ...}, "decided": ...}``. A body's or a header's ``@`` becomes a number
that differs from request to request.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from http.client import HTTPConnection
from itertools import count
from typing import Any


def main() -> None:
    """Run the load that standard input describes."""
    told = json.load(sys.stdin)
    statuses: Counter[int] = Counter()
    decided = [0] * told["connections"]
    numbers = count()
    start = time.perf_counter()
    end = start + told["seconds"]

    def work(place: int) -> None:
        connection = HTTPConnection(told["host"], told["port"], timeout=30)
        found: Counter[int] = Counter()
        while time.perf_counter() < end:
            number = str(next(numbers))
            headers = {name: value.replace("@", number) for name, value in told["headers"].items()}
            connection.request("POST", told["path"], told["body"].replace("@", number).encode(), headers)
            answer = connection.getresponse()
            body: dict[str, Any] = json.loads(answer.read())
            found[answer.status] += 1
            decided[place] += "decision" in body
        connection.close()
        statuses.update(found)

    workers = [threading.Thread(target=work, args=(place,)) for place in range(told["connections"])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    took = time.perf_counter() - start
    made = {str(status): number for status, number in statuses.items()}
    print(json.dumps({"seconds": took, "statuses": made, "decided": sum(decided)}))


if __name__ == "__main__":
    main()
