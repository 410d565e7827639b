"""Group commit: each caller's entry is durable when it goes on, and a failure is told to all of its group."""

from __future__ import annotations

import secrets
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from service.audit.appends import Appends
from service.audit.entry import Caller, Entry, Kind


def entry(client="c"):
    return Entry(kind=Kind.READ, time=datetime.now(UTC), caller=Caller(client), nonce=secrets.token_hex(16))


def test_every_callers_entry_is_durable_when_it_goes_on(world):
    appends = Appends(world.store)
    missing = []

    def work(number):
        for turn in range(20):
            made = entry(f"{number}-{turn}")
            appends.append(made)
            with world.store.read() as tx:
                found = [tx.log.entry(n) for n in range(tx.log.size())]
            if made.data().decode() not in {item.entry for item in found if item is not None}:
                missing.append(made)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not missing
    with world.store.read() as tx:
        assert tx.log.size() == 160


def test_a_group_that_cannot_be_written_is_told_to_each_caller_and_the_next_one_works(world):
    broken = True

    class Broken:
        @contextmanager
        def write(self):
            if broken:
                raise OSError("disk full")
            with world.store.write() as tx:
                yield tx

        read = world.store.read

    appends = Appends(Broken())
    with pytest.raises(OSError, match="disk full"):
        appends.append(entry())
    broken = False
    appends.append(entry())
    with world.store.read() as tx:
        assert tx.log.size() == 1
