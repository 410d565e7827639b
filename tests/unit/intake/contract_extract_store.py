"""What every store of extracts must do. A store's tests derive from ``ExtractStoreContract`` and give ``store``."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from service.audit.entry import AgreementRef, Caller
from service.intake.check import Staged
from service.intake.expressions import Covers
from service.intake.ports import ExtractRow, KeyTaken, PushKey, State, Store

A, D, PARTY = "agreement-1", "incidents", "police"
RECEIVED = datetime(2026, 7, 1, 12, tzinfo=UTC)


def row(number: int, **more: Any) -> ExtractRow:
    """A staged extract ``x-<number>`` with a key of its own."""
    made = ExtractRow(
        id=f"x-{number}",
        agreement=AgreementRef(A, "1", "sha256:" + "a" * 64),
        dataset=D,
        schema="incidents/v1",
        caller=Caller("police-client", PARTY, "supplier"),
        media="text/csv",
        covers=Covers(date(2026, 4, 1), date(2026, 6, 30)),
        digest="sha256:" + "b" * 64,
        staged=Staged(Path(f"/lake/{A}/{D}/x-{number}.parquet"), 10 * number, number, 1000, "c" * 64),
        key=PushKey(PARTY, "police-client", f"key-{number}", "sha256:" + "d" * 64),
        received=RECEIVED + timedelta(minutes=number),
        state=State.STAGED,
    )
    return replace(made, **more)


class ExtractStoreContract:
    """The contract."""

    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError

    def add(self, store: Store, *rows: ExtractRow) -> None:
        with store.write() as transaction:
            for one in rows:
                transaction.extracts.insert(one)

    def move(self, store: Store, extract: str, before: State, after: State, **more: Any) -> bool:
        with store.write() as transaction:
            return transaction.extracts.move(extract, before, after, **more)

    def test_a_row_comes_back_as_it_was(self, store: Store) -> None:
        self.add(store, row(1), row(2, replaces="x-1"))
        with store.read() as transaction:
            assert transaction.extracts.get(A, D, "x-1") == row(1)
            assert transaction.extracts.get(A, D, "x-2") == row(2, replaces="x-1")

    def test_a_row_is_found_in_its_own_dataset_only(self, store: Store) -> None:
        self.add(store, row(1))
        with store.read() as transaction:
            assert transaction.extracts.get("agreement-2", D, "x-1") is None
            assert transaction.extracts.get(A, "others", "x-1") is None
            assert transaction.extracts.get(A, D, "x-2") is None

    def test_a_row_is_found_by_its_key_in_its_scope_only(self, store: Store) -> None:
        self.add(store, row(1))
        with store.read() as transaction:
            assert transaction.extracts.by_key(A, PARTY, "police-client", "key-1") == row(1)
            assert transaction.extracts.by_key("agreement-2", PARTY, "police-client", "key-1") is None
            assert transaction.extracts.by_key(A, "fire", "police-client", "key-1") is None
            assert transaction.extracts.by_key(A, PARTY, "other-client", "key-1") is None
            assert transaction.extracts.by_key(A, PARTY, "police-client", "key-2") is None

    def test_a_key_can_be_bound_once(self, store: Store) -> None:
        self.add(store, row(1))
        with pytest.raises(KeyTaken):
            self.add(store, row(2, key=row(1).key))
        with store.read() as transaction:
            assert transaction.extracts.get(A, D, "x-2") is None

    def test_an_aborted_extract_gives_its_key_back(self, store: Store) -> None:
        self.add(store, row(1))
        assert self.move(store, "x-1", State.STAGED, State.ABORTED)
        with store.read() as transaction:
            assert transaction.extracts.by_key(A, PARTY, "police-client", "key-1") is None
        self.add(store, row(2, key=row(1).key))
        with store.read() as transaction:
            found = transaction.extracts.by_key(A, PARTY, "police-client", "key-1")
            assert found is not None
            assert found.id == "x-2"

    def test_a_withdrawn_extract_keeps_its_key(self, store: Store) -> None:
        self.add(store, row(1))
        self.move(store, "x-1", State.STAGED, State.WITHDRAWN)
        with pytest.raises(KeyTaken):
            self.add(store, row(2, key=row(1).key))

    def test_a_move_from_another_state_changes_nothing(self, store: Store) -> None:
        self.add(store, row(1))
        assert not self.move(store, "x-1", State.COMMITTED, State.WITHDRAWING, receipt={"a": 1})
        with store.read() as transaction:
            assert transaction.extracts.get(A, D, "x-1") == row(1)

    def test_receipts_are_kept_through_later_moves(self, store: Store) -> None:
        receipt: dict[str, Any] = {"extract": "x-1", "rows": 10, "covers": {"from": "2026-04-01"}}
        self.add(store, row(1))
        assert self.move(store, "x-1", State.STAGED, State.COMMITTED, receipt=receipt)
        assert self.move(store, "x-1", State.COMMITTED, State.WITHDRAWING)
        assert self.move(store, "x-1", State.WITHDRAWING, State.WITHDRAWN, withdrawal={"w": True})
        with store.read() as transaction:
            found = transaction.extracts.get(A, D, "x-1")
        assert found == row(1, state=State.WITHDRAWN, receipt=receipt, withdrawal={"w": True})

    def test_a_transaction_that_fails_changes_nothing(self, store: Store) -> None:
        def fail() -> None:
            with store.write() as transaction:
                transaction.extracts.insert(row(1))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        with store.read() as transaction:
            assert transaction.extracts.get(A, D, "x-1") is None

    def test_pending_extracts_are_the_intents_the_oldest_first(self, store: Store) -> None:
        states = list(State)
        self.add(store, *(row(number) for number in range(len(states))))
        for number, state in enumerate(states):
            self.move(store, f"x-{number}", State.STAGED, state)
        with store.read() as transaction:
            found = [one.state for one in transaction.extracts.pending()]
        assert found == [State.STAGED, State.WITHDRAWING]

    def test_live_rows_are_those_that_are_or_may_be_in_the_dataset(self, store: Store) -> None:
        states = list(State)
        self.add(store, *(row(number) for number in range(1, len(states) + 1)))
        self.add(store, row(99, dataset="others"))
        for number, state in enumerate(states, start=1):
            self.move(store, f"x-{number}", State.STAGED, state)
        live = [State.STAGED, State.COMMITTED, State.REPLACING, State.WITHDRAWING]
        with store.read() as transaction:
            found = transaction.extracts.live_rows(A, D)
            assert transaction.extracts.live_rows(A, "nothing") == 0
        assert found == sum(10 * (states.index(state) + 1) for state in live)

    def test_what_was_received_before_a_day_is_overdue_while_its_rows_may_be_in_the_dataset(self, store: Store) -> None:
        states, day = list(State), RECEIVED.date()
        first, last = (datetime.combine(day, edge, UTC) for edge in (time.min, time.max))
        for number, state in enumerate(states):
            self.add(store, row(number, received=last))
            self.move(store, f"x-{number}", State.STAGED, state)
        self.add(store, row(98, received=first), row(99, received=last, dataset="others"))
        east = timezone(timedelta(hours=14))
        self.add(store, row(97, received=datetime.combine(day + timedelta(days=1), time(13, 59), east)))
        with store.read() as transaction:
            found = transaction.extracts.overdue(A, D, day + timedelta(days=1))
            early = transaction.extracts.overdue(A, D, day)
        perishable = ["staged", "committed", "replacing", "withdrawing", "expiring"]
        assert [one.state.value for one in found] == [*perishable, "staged", "staged"]
        assert [one.state for one in early] == [State.EXPIRING]

    def test_what_an_extract_goes_by_is_replaced_by_the_receipt_of_its_expiry(self, store: Store) -> None:
        self.add(store, row(1))
        self.move(store, "x-1", State.STAGED, State.COMMITTED, receipt={"r": 1})
        assert self.move(store, "x-1", State.COMMITTED, State.EXPIRING, expiry={"keep": "P1Y"})
        assert self.move(store, "x-1", State.EXPIRING, State.EXPIRED, expiry={"e": 1})
        with store.read() as transaction:
            found = transaction.extracts.get(A, D, "x-1")
        assert found == row(1, state=State.EXPIRED, receipt={"r": 1}, expiry={"e": 1})

    def test_a_supplier_lists_its_extracts_the_newest_first_page_by_page(self, store: Store) -> None:
        self.add(store, *(row(number) for number in range(1, 6)))
        self.add(store, row(6, caller=Caller("fire-client", "fire", "supplier"), key=PushKey("fire", "f", "k", "x")))
        self.move(store, "x-3", State.STAGED, State.ABORTED)
        with store.read() as transaction:
            first = transaction.extracts.listed(A, D, PARTY, 2, None)
            second = transaction.extracts.listed(A, D, PARTY, 9, first[-1].id)
        assert [one.id for one in first] == ["x-5", "x-4"]
        assert [one.id for one in second] == ["x-2", "x-1"]

    def test_the_newest_extract_of_each_dataset_that_was_ever_in_it_is_found(self, store: Store) -> None:
        states = list(State)
        self.add(store, *(row(number) for number in range(len(states))))
        self.add(
            store,
            row(89, dataset="lost"),
            row(90, dataset="gone"),
            row(91, dataset="others"),
            row(92, agreement=AgreementRef("a", "1", "d")),
        )
        for number, state in enumerate(states):
            self.move(store, f"x-{number}", State.STAGED, state)
        self.move(store, "x-89", State.STAGED, State.ABORTED)
        self.move(store, "x-90", State.STAGED, State.WITHDRAWN)
        self.move(store, "x-91", State.STAGED, State.COMMITTED)
        self.move(store, "x-92", State.STAGED, State.WITHDRAWING)
        with store.read() as transaction:
            found = [one.id for one in transaction.extracts.newest_of_each_dataset()]
        assert found == ["x-92", "x-90", f"x-{states.index(State.EXPIRED)}", "x-91"]

    def test_the_newest_data_version_follows_the_compaction_of_what_it_names(self, store: Store) -> None:
        def follow(base: int, dataset: str = D) -> bool:
            with store.write() as transaction:
                return transaction.extracts.follow_compaction(A, dataset, base, base + 1)

        assert not follow(3)
        with store.write() as transaction:
            for lake_version in (3, 5):
                transaction.extracts.move_data_version(A, D, lake_version, RECEIVED)
            transaction.extracts.move_data_version(A, "others", 3, RECEIVED)
        assert not follow(3), "an older data version stays as it is"
        assert not follow(4)
        assert follow(5)
        assert not follow(5)
        assert follow(6)
        assert follow(3, "others")

    def test_a_data_version_never_moves_over_a_version_that_could_hold_other_rows(self, store: Store) -> None:
        with store.write() as transaction:
            transaction.extracts.move_data_version(A, D, 3, RECEIVED)
        for compacted in (2, 3, 5):
            with pytest.raises(RuntimeError), store.write() as transaction:
                transaction.extracts.follow_compaction(A, D, 3, compacted)
        with store.write() as transaction:
            assert transaction.extracts.follow_compaction(A, D, 3, 4)
