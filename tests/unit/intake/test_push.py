"""Pushing, correcting and withdrawing: idempotent, all or nothing, recorded in one transaction."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from service.audit.entry import Kind
from service.errors import ConcordatError, Conflict, EngineFailed, Malformed, NotFound
from service.intake.expressions import Covers
from service.intake.media import ARROW
from service.intake.ports import ExtractRow, KeyTaken, State
from tests.unit.intake.files import COVERS, GOOD, PERSON_SCHEMA, RECORD_SCHEMA, write, write_csv
from tests.unit.intake.memory_store import MemoryExtracts, MemoryStore, MemoryTransaction
from tests.unit.intake.pushing import AGREEMENT, FIRE, A, D, Desk, good


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, MemoryStore())


def state(desk: Desk) -> Any:
    assert isinstance(desk.store, MemoryStore)
    return desk.store.state


def seen_rows(desk: Desk) -> int:
    """The rows that questions see: those at the newest data version."""
    versions = state(desk).extracts.versions
    files = desk.lake.files(A, D, versions[-1][2]) if versions else []
    if not files:
        return 0
    with duckdb.connect() as connection:
        found = connection.execute("SELECT count(*) FROM read_parquet(?)", [files]).fetchone()
    assert found is not None
    return int(found[0])


def kinds(desk: Desk) -> list[Kind]:
    return [entry.kind for entry in state(desk).log.entries]


def files_on_disk(desk: Desk) -> list[str]:
    return sorted(path.stem for path in (desk.folder / "lake" / A / D).glob("*.parquet"))


def refused(desk: Desk, **more: Any) -> ConcordatError:
    """How a push is refused; nothing is left on disk."""
    before = (seen_rows(desk), files_on_disk(desk))
    with pytest.raises(ConcordatError) as caught:
        desk.push(**more)
    assert (seen_rows(desk), files_on_disk(desk)) == before
    assert not list((desk.folder / "spool").iterdir())
    return caught.value


def test_a_push_is_answered_with_a_signed_receipt(desk: Desk) -> None:
    receipt = desk.push(3)
    extract = receipt["extract"]
    assert receipt == {
        "extract": extract,
        "agreement": {"id": A, "version": "1", "digest": AGREEMENT.digest},
        "dataset": D,
        "digest": f"sha256:{hashlib.sha256(good(3)).hexdigest()}",
        "rows": 3,
        "persons": 1,
        "covers": {"from": "2026-04-01", "to": "2026-06-30"},
        "received": "2026-07-01T12:00:00.000Z",
        "audit": {"index": 0},
        "signature": "signed over 9 members",
    }
    assert desk.row(extract).state is State.COMMITTED
    assert desk.row(extract).receipt == receipt
    assert seen_rows(desk) == 3


def test_the_log_learns_what_was_pushed_and_never_how_much(desk: Desk) -> None:
    receipt = desk.push(7)
    (entry,) = state(desk).log.entries
    assert entry.kind is Kind.PUSHED
    assert entry.request == {"dataset": D, "from": "2026-04-01", "to": "2026-06-30", "replaces": None}
    assert entry.result == {"extract": receipt["extract"], "digest": receipt["digest"]}
    assert "7" not in json.dumps(entry.as_dict()["decision"])


def test_the_same_request_again_is_answered_with_the_same_receipt(desk: Desk) -> None:
    receipt = desk.push(3)
    desk.now += timedelta(days=1)
    assert desk.push(3) == receipt
    assert (seen_rows(desk), kinds(desk)) == (3, [Kind.PUSHED])


@pytest.mark.parametrize(
    "other",
    [
        {"rows": 4},
        {"covers": Covers(date(2026, 4, 1), date(2026, 7, 31))},
        {"dataset": "others"},
        {"content_type": ARROW, "body": write([GOOD] * 3, ARROW)},
        {"replaces": "x-9"},
    ],
)
def test_a_key_used_for_another_request_is_refused(desk: Desk, other: dict[str, Any]) -> None:
    desk.push(3)
    assert refused(desk, **{"rows": 3, **other}).code == "idempotency_key_reused"


def test_keys_of_other_clients_are_other_keys(desk: Desk) -> None:
    desk.push(3)
    desk.push(4, caller=FIRE)
    assert seen_rows(desk) == 7


def test_the_version_in_force_may_change_between_a_push_and_its_repetition(desk: Desk) -> None:
    receipt = desk.push(3)
    later = replace(AGREEMENT, version="2", digest="sha256:" + "b" * 64)
    assert desk.push(3, agreement=later) == receipt


def test_a_refused_push_leaves_nothing_and_is_logged_by_its_rules(desk: Desk) -> None:
    error = refused(desk, body=write_csv([{**GOOD, "age": "200", "group": "secretcode"}]))
    assert isinstance(error, Malformed)
    (entry,) = state(desk).log.entries
    assert entry.kind is Kind.PUSH_REFUSED
    assert entry.decision.code == "extract_refused"
    assert entry.result == {"rules": ["code", "range"]}
    assert "secretcode" not in json.dumps(entry.as_dict())
    assert desk.push(3)["rows"] == 3  # the key was not used up


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"content_type": "text/html"}, "unsupported_media_type"),
        ({"content_digest": "sha-256=:AAAA:"}, "bad_content_digest"),
        ({"content_digest": f"sha-256=:{base64.b64encode(b'0' * 32).decode()}:"}, "content_digest_mismatch"),
        ({"content_encoding": "br"}, "unsupported_media_type"),
        ({"body": b"x" * (11 << 20)}, "too_large"),
        ({"replaces": "x-none"}, "not_found"),
        ({"replaces": "../../x"}, "not_found"),
    ],
)
def test_every_refusal_is_logged(desk: Desk, more: dict[str, Any], code: str) -> None:
    assert refused(desk, **more).code == code
    assert [entry.decision.code for entry in state(desk).log.entries] == [code]


def test_pushes_that_are_checked_at_once_count_each_others_rows(desk: Desk) -> None:
    most = 2**63 // (1024 * 1000 * 800)
    first = desk.push(1)
    with desk.store.write() as transaction:
        row = transaction.extracts.get(A, D, first["extract"])
        assert row is not None
        staged = replace(row.staged, rows=most - 1)
        transaction.extracts.insert(replace(row, id="x-huge", staged=staged, key=replace(row.key, key="another")))
    assert refused(desk, key="key-2").code == "too_many_rows"


def test_a_replacement_takes_the_old_extract_out(desk: Desk) -> None:
    old = desk.push(3)["extract"]
    receipt = desk.push(5, "key-2", replaces=old)
    assert receipt["replaces"] == old
    assert seen_rows(desk) == 5
    assert (desk.row(old).state, desk.row(receipt["extract"]).state) == (State.REPLACED, State.COMMITTED)
    assert desk.push(5, "key-2", replaces=old) == receipt
    assert refused(desk, key="key-3", replaces=old).code == "not_replaceable"


def test_only_the_supplier_replaces_and_withdraws_its_extracts(desk: Desk) -> None:
    extract = desk.push(3)["extract"]
    assert refused(desk, key="key-2", replaces=extract, caller=FIRE).code == "not_found"
    with pytest.raises(NotFound):
        desk.withdraw(extract, FIRE)
    with pytest.raises(NotFound):
        desk.withdraw("../x")
    assert seen_rows(desk) == 3


def test_a_refused_replacement_leaves_the_old_extract(desk: Desk) -> None:
    old = desk.push(3)["extract"]
    refused(desk, key="key-2", replaces=old, body=write_csv([{**GOOD, "age": "200"}]))
    assert desk.row(old).state is State.COMMITTED
    assert desk.push(5, "key-2", replaces=old)["rows"] == 5


def test_an_extract_is_withdrawn_with_a_receipt_once(desk: Desk) -> None:
    extract = desk.push(3)["extract"]
    desk.push(2, "key-2")
    desk.now += timedelta(days=1)
    receipt = desk.withdraw(extract)
    assert receipt["extract"] == extract
    assert receipt["withdrawn"] == "2026-07-02T12:00:00.000Z"
    assert receipt["audit"] == {"index": 2}
    assert desk.withdraw(extract) == receipt
    assert seen_rows(desk) == 2
    assert kinds(desk) == [Kind.PUSHED, Kind.PUSHED, Kind.WITHDRAWN]


def test_a_replaced_extract_cannot_be_withdrawn(desk: Desk) -> None:
    old = desk.push(3)["extract"]
    desk.push(5, "key-2", replaces=old)
    with pytest.raises(Conflict) as caught:
        desk.withdraw(old)
    assert caught.value.code == "not_withdrawable"


def test_every_accepted_change_makes_a_new_data_version(desk: Desk) -> None:
    extract = desk.push(0)["extract"]
    desk.push(3, "key-2")
    desk.withdraw(extract)
    assert len(state(desk).extracts.versions) == 3


def test_an_extract_that_is_being_replaced_is_left_alone(desk: Desk) -> None:
    old = desk.push(3)["extract"]
    with desk.store.write() as transaction:
        transaction.extracts.move(old, State.COMMITTED, State.REPLACING)
    assert refused(desk, key="key-2", replaces=old).code == "in_progress"
    with pytest.raises(Conflict) as caught:
        desk.withdraw(old)
    assert caught.value.code == "in_progress"


def test_a_dataset_whose_columns_changed_takes_nothing_and_keeps_what_it_had(desk: Desk) -> None:
    old = desk.push(3)["extract"]
    body = write_csv([{"month": "2026-04-01", "primary": "true"}], RECORD_SCHEMA)
    error = refused(desk, key="key-2", schema=RECORD_SCHEMA, body=body, replaces=old)
    assert error.code == "schema_changed"
    assert desk.row(old).state is State.COMMITTED
    assert desk.push(5, "key-2", replaces=old)["rows"] == 5


def test_a_staged_file_that_is_lost_aborts_the_push_and_a_retry_pushes_it_again(tmp_path: Path) -> None:
    lose = {"push-intended"}

    def fault(step: str) -> None:
        if step in lose:
            lose.clear()
            next(iter((tmp_path / "lake").glob("*/*/*.parquet"))).unlink()

    desk = Desk(tmp_path, MemoryStore(), fault)
    with pytest.raises(EngineFailed):
        desk.push(3)
    assert [entry.decision.outcome for entry in state(desk).log.entries] == ["failed"]
    assert desk.push(3)["rows"] == 3
    assert seen_rows(desk) == 3


def test_two_requests_with_one_key_at_once_give_one_extract(tmp_path: Path) -> None:
    gate = threading.Barrier(2, timeout=20)

    def fault(step: str) -> None:
        if step == "push-staged":
            gate.wait()

    desk = Desk(tmp_path, MemoryStore(), fault)
    answers: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: answers.append(desk.push(3))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers[0] == answers[1]
    assert seen_rows(desk) == 3
    assert files_on_disk(desk) == [answers[0]["extract"]]
    assert kinds(desk) == [Kind.PUSHED]


def test_two_replacements_of_one_extract_at_once_give_one(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MemoryStore())
    old = desk.push(3)["extract"]
    gate = threading.Barrier(2, timeout=20)

    def fault(step: str) -> None:
        if step == "push-staged":
            gate.wait()

    racing = Desk(tmp_path, desk.store, fault)
    answers: list[str] = []

    def correct(key: str) -> None:
        try:
            answers.append(str(racing.push(5, key, replaces=old)["rows"]))
        except ConcordatError as error:
            answers.append(error.code)

    threads = [threading.Thread(target=correct, args=(key,)) for key in ("key-2", "key-3")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) in (["5", "in_progress"], ["5", "not_replaceable"])
    assert seen_rows(desk) == 5


def test_a_stray_file_is_swept_when_no_push_can_want_it_any_more(desk: Desk) -> None:
    extract = desk.push(3)["extract"]
    path = desk.lake.stage_path(A, D, "x-stray")
    path.write_bytes(b"x")
    desk.recover()
    assert "x-stray" in files_on_disk(desk)
    desk.now = desk.now.replace(year=desk.now.year + 50)
    desk.recover()
    assert files_on_disk(desk) == [extract]


def test_the_covered_period_is_what_rows_are_held_to(desk: Desk) -> None:
    april = Covers(COVERS.first, date(2026, 4, 30))
    assert desk.push(3, covers=april)["covers"] == {"from": "2026-04-01", "to": "2026-04-30"}
    late = write_csv([{**GOOD, "occurred": "2026-05-01"}])
    error = refused(desk, key="key-2", covers=april, body=late)
    assert isinstance(error, Malformed)
    assert [finding.rule for finding in error.findings] == ["outside_period"]
    assert PERSON_SCHEMA.period == "occurred"


class HiddenKeys(MemoryExtracts):
    """As seen before another writer bound the key."""

    def by_key(self, agreement: str, party: str, client: str, key: str) -> ExtractRow | None:
        return None

    def insert(self, row: ExtractRow) -> None:
        raise KeyTaken


class Blind(MemoryStore):
    """Does not see bound keys until an insertion has failed."""

    def __init__(self, state: MemoryTransaction) -> None:
        super().__init__()
        self.state = state
        self._hidden = True

    def _seen(self, transaction: MemoryTransaction) -> MemoryTransaction:
        extracts = transaction.extracts
        hidden = HiddenKeys(extracts.rows, extracts.versions)
        return MemoryTransaction(hidden, transaction.log) if self._hidden else transaction

    @contextmanager
    def write(self) -> Iterator[MemoryTransaction]:
        with super().write() as transaction:
            try:
                yield self._seen(transaction)
            except KeyTaken:
                self._hidden = False
                raise

    @contextmanager
    def read(self) -> Iterator[MemoryTransaction]:
        with super().read() as transaction:
            yield self._seen(transaction)


def test_a_key_that_another_writer_binds_meanwhile_is_answered_with_that_ones_receipt(desk: Desk) -> None:
    receipt = desk.push(3)
    assert Desk(desk.folder, Blind(state(desk))).push(3) == receipt
    assert files_on_disk(desk) == [receipt["extract"]]


def test_a_key_whose_other_push_fails_meanwhile_may_be_tried_again(desk: Desk) -> None:
    blind = Blind(MemoryTransaction())
    with pytest.raises(Conflict) as caught:
        Desk(desk.folder, blind).push(3)
    assert caught.value.code == "in_progress"
    assert files_on_disk(desk) == []


@pytest.mark.parametrize("step", ["push-delta-committed", "withdrawal-delta-committed"])
def test_two_processes_that_complete_one_intent_at_once_record_it_once(tmp_path: Path, step: str) -> None:
    desk = Desk(tmp_path, MemoryStore())
    extract = desk.push(2, "key-0")["extract"]

    def meanwhile(name: str) -> None:
        if name == step:
            Desk(tmp_path, desk.store).recover()

    racing = Desk(tmp_path, desk.store, meanwhile)
    if step.startswith("push"):
        receipt = racing.push(3)
        assert racing.row(receipt["extract"]).receipt == receipt
        assert kinds(desk) == [Kind.PUSHED, Kind.PUSHED]
    else:
        receipt = racing.withdraw(extract)
        assert racing.row(extract).withdrawal == receipt
        assert kinds(desk) == [Kind.PUSHED, Kind.WITHDRAWN]


def test_a_dataset_that_is_too_busy_keeps_the_intent_for_a_retry(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> int:
        raise Conflict("busy", code="in_progress")

    with monkeypatch.context() as patched:
        patched.setattr(desk.lake, "commit", busy)
        with pytest.raises(Conflict):
            desk.push(3)
    receipt = desk.push(3)
    assert desk.row(receipt["extract"]).state is State.COMMITTED
    assert seen_rows(desk) == 3
    assert len(files_on_disk(desk)) == 1


def test_a_staged_extract_cannot_be_replaced_or_withdrawn_yet(desk: Desk) -> None:
    old = desk.push(3)["extract"]
    with desk.store.write() as transaction:
        transaction.extracts.move(old, State.COMMITTED, State.STAGED)
    assert refused(desk, key="key-2", replaces=old).code == "in_progress"
    with pytest.raises(Conflict):
        desk.withdraw(old)
