"""An answer is used only when it is signed, and shown to be in the log that was seen before."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors.client import Client
from connectors.errors import ProblemError, UnreachableError, UnverifiedError
from schemas import jws
from tests.unit.audit.simulator import LogSimulator
from tests.unit.connectors.broker_double import REQUEST, BrokerDouble, Change, problem
from tests.unit.connectors.conftest import Connect


def test_an_answer_comes_with_its_entry_and_the_checkpoint_that_covers_it(client: Client, broker: BrokerDouble) -> None:
    answer = client.ask("avon", REQUEST)
    assert answer.release["rows"][0]["measures"]["count"]["value"] == 100
    assert answer.proof.entry["kind"] == "charged"
    assert answer.proof.checkpoint.size == broker.log.size


def test_the_checkpoint_may_follow_the_answer(client: Client, broker: BrokerDouble, waits: list[float]) -> None:
    broker.lag = 2
    assert client.ask("avon", REQUEST).proof.n == 3
    assert waits


def test_a_checkpoint_that_never_follows_is_not_waited_for_forever(
    client: Client, broker: BrokerDouble, waits: list[float]
) -> None:
    note = broker.log_note(3)
    broker.changes["checkpoint"] = lambda _: note
    with pytest.raises(UnverifiedError) as caught:
        client.ask("avon", REQUEST)
    assert caught.value.code == "not_included"
    assert 10 <= sum(waits) < 12


def tampered_value(release: dict[str, Any]) -> dict[str, Any]:
    rows = [release["rows"][0] | {"measures": {"count": {"value": 1}}}]
    return release | {"rows": rows}


def unsigned(release: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in release.items() if name != "signature"}


def signed_by_another(release: dict[str, Any]) -> dict[str, Any]:
    payload = unsigned(release)
    key = Ed25519PrivateKey.generate()
    return payload | {"signature": jws.sign(payload, key, typ="concordat-release+jws")}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (tampered_value, "bad_signature"),
        (unsigned, "signature_missing"),
        (signed_by_another, "key_not_pinned"),
        (lambda release: release | {"signature": "x"}, "bad_signature"),
        (lambda release: release | {"signature": "!..!"}, "bad_signature"),
        (lambda _: [], "release_malformed"),
    ],
)
def test_a_release_that_the_broker_did_not_sign_is_refused(
    client: Client, broker: BrokerDouble, change: Change, code: str
) -> None:
    broker.changes["release"] = change
    with pytest.raises(UnverifiedError) as caught:
        client.ask("avon", REQUEST)
    assert caught.value.code == code


def resigned(broker: BrokerDouble, **changes: Any) -> Change:
    """Make a broker that signs what its log does not bear out."""

    def change(release: dict[str, Any]) -> dict[str, Any]:
        return broker.signed(unsigned(release) | changes, "concordat-release+jws")

    return change


def test_a_receipts_signature_does_not_pass_for_a_releases(client: Client, broker: BrokerDouble) -> None:
    broker.changes["release"] = lambda release: broker.signed(unsigned(release), "concordat-receipt+jws")
    with pytest.raises(UnverifiedError) as caught:
        client.ask("avon", REQUEST)
    assert caught.value.code == "bad_signature"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"agreement": {"id": "other", "version": "1", "digest": "sha256:" + "0" * 64}}, "other_agreement"),
        ({"agreement": {"id": "avon", "version": "2", "digest": "sha256:" + "0" * 64}}, "other_entry"),
        ({"audit": {}}, "not_included"),
        ({"audit": {"index": True}}, "not_included"),
        ({"audit": {"index": -1}}, "not_included"),
        ({"audit": {"index": 0}}, "other_entry"),
        ({"audit": {"index": 4}}, "other_entry"),
        ({"intent": "intent-of-someone-else"}, "other_entry"),
        ({"guarantee": {"rho": "0.01"}}, "other_entry"),
        ({"guarantee": {"rho": "none"}}, "other_entry"),
        ({"guarantee": {}}, "other_entry"),
        (
            {"question": {"purpose": "other", "dataset": "police-violence", "measures": ["count"]}},
            "other_entry",
        ),
        ({"question": None}, "other_entry"),
    ],
)
def test_a_release_whose_entry_tells_of_something_else_is_refused(
    client: Client, broker: BrokerDouble, changes: dict[str, Any], code: str
) -> None:
    broker.changes["release"] = resigned(broker, **changes)
    with pytest.raises(UnverifiedError) as caught:
        client.ask("avon", REQUEST)
    assert caught.value.code == code


def test_a_repeat_is_bound_to_its_own_entry_by_the_release_it_repeats(client: Client, broker: BrokerDouble) -> None:
    first = client.ask("avon", REQUEST).release
    index = broker.log.append(
        "repeated",
        agreement=broker.log.entries[3].agreement,
        purpose=REQUEST["purpose"],
        request=broker.log.entries[3].request,
        result={"release": first["id"]},
    )
    broker.changes["release"] = lambda _: resigned(broker, repeat=True, audit={"index": index})(first)
    assert client.ask("avon", REQUEST).proof.n == index
    broker.changes["release"] = lambda _: resigned(broker, id="another", audit={"index": index})(first)
    with pytest.raises(UnverifiedError):
        client.ask("avon", REQUEST)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("proof", lambda proof: proof | {"hashes": []}),
        ("proof", lambda proof: proof | {"hashes": proof["hashes"][::-1]}),
        ("proof", lambda proof: {"n": proof["n"]}),
        ("entry", lambda shown: shown | {"n": shown["n"] + 1}),
        ("entry", lambda shown: {"n": shown["n"], "entry": shown["entry"] | {"nonce": "0" * 32}}),
        ("entry", lambda shown: {"n": shown["n"]}),
    ],
)
def test_a_release_without_its_inclusion_proof_is_refused(
    client: Client, broker: BrokerDouble, what: str, change: Change
) -> None:
    broker.changes[what] = change
    with pytest.raises(UnverifiedError) as caught:
        client.ask("avon", REQUEST)
    assert caught.value.code == "not_included"


@pytest.mark.parametrize("hashes", ["x", [1], ["not base64"]])
def test_a_proof_of_another_form_is_refused(client: Client, broker: BrokerDouble, hashes: Any) -> None:
    broker.changes["proof"] = lambda proof: proof | {"hashes": hashes}
    with pytest.raises(UnverifiedError):
        client.ask("avon", REQUEST)


@pytest.mark.parametrize("ending", ["/v1/audit/entries/3", "/v1/audit/entries/3/proof"])
def test_an_entry_that_the_broker_does_not_show_counts_as_missing(
    client: Client, broker: BrokerDouble, ending: str
) -> None:
    broker.faults.append((ending, problem(404, "not_found", "there is no such entry")))
    with pytest.raises(UnverifiedError) as caught:
        client.ask("avon", REQUEST)
    assert caught.value.code == "not_included"


def test_a_fork_is_refused_and_what_was_remembered_stays(
    client: Client, broker: BrokerDouble, connect: Connect
) -> None:
    client.ask("avon", REQUEST)
    honest, broker.log = broker.log, LogSimulator(broker.log.key)
    for _ in range(9):
        broker.log.append("read")
    with pytest.raises(UnverifiedError) as caught:
        connect().checkpoint()
    assert caught.value.code == "fork"
    broker.log = honest
    assert connect().checkpoint().size == honest.size


def test_a_broker_that_shows_no_consistency_proof_is_refused(client: Client, broker: BrokerDouble) -> None:
    client.checkpoint()
    broker.log.append("read")
    broker.changes["consistency"] = lambda shown: {"from": shown["from"]}
    with pytest.raises(UnverifiedError) as caught:
        client.checkpoint()
    assert caught.value.code == "fork"


def test_a_rollback_is_refused(client: Client, broker: BrokerDouble, connect: Connect) -> None:
    client.ask("avon", REQUEST)
    note = broker.log_note(2)
    broker.changes["checkpoint"] = lambda _: note
    with pytest.raises(UnverifiedError) as caught:
        connect().ask("avon", REQUEST)
    assert caught.value.code == "rollback"


def test_another_process_that_sees_more_meanwhile_is_no_fault_of_the_broker(
    client: Client, broker: BrokerDouble, connect: Connect
) -> None:
    client.checkpoint()
    broker.log.append("read")

    def overtaken(note: str) -> str:
        broker.changes.clear()
        broker.log.append("read")
        connect().checkpoint()
        return note

    broker.changes["checkpoint"] = overtaken
    assert client.checkpoint().size == 5


def test_a_checkpoint_of_another_key_is_refused(client: Client, broker: BrokerDouble) -> None:
    client.checkpoint()
    other = LogSimulator(Ed25519PrivateKey.generate()).note()
    broker.changes["checkpoint"] = lambda _: other
    with pytest.raises(UnverifiedError) as caught:
        client.checkpoint()
    assert caught.value.code == "key_unknown"


def test_keys_are_pinned_at_the_first_meeting(client: Client, broker: BrokerDouble, connect: Connect) -> None:
    client.ask("avon", REQUEST)
    broker.signing_key = Ed25519PrivateKey.generate()
    with pytest.raises(UnverifiedError) as caught:
        connect().ask("avon", REQUEST)
    assert caught.value.code == "key_not_pinned"
    assert len(broker.called("/v1/keys")) == 1


def test_a_log_key_known_out_of_band_is_not_taken_on_trust(broker: BrokerDouble, connect: Connect) -> None:
    connect(log_key=broker.log.vkey).keys()
    other = LogSimulator(Ed25519PrivateKey.generate()).vkey
    with pytest.raises(UnverifiedError) as caught:
        connect(log_key=other).keys()
    assert caught.value.code == "log_key_differs"


@pytest.mark.parametrize(
    "keys",
    [
        [],
        {"keys": []},
        {"issuer": "https://elsewhere.example", "keys": [], "log": {"verifier_key": "x"}},
        {"keys": [{"kty": "OKP", "crv": "X25519", "x": "AA"}], "log": {"verifier_key": "x"}},
    ],
)
def test_what_are_no_keys_is_not_pinned(client: Client, broker: BrokerDouble, keys: Any, tmp_path: Path) -> None:
    broker.changes["keys"] = lambda _: keys
    with pytest.raises(UnverifiedError) as caught:
        client.keys()
    assert caught.value.code == "keys_malformed"
    assert not list((tmp_path / "state").glob("*"))


def test_keys_for_other_uses_are_left_out(client: Client, broker: BrokerDouble) -> None:
    more = [{"kty": "EC", "crv": "P-256"}, broker.keys()["keys"][0] | {"use": "enc"}, "?"]
    broker.changes["keys"] = lambda shown: shown | {"keys": more}
    assert client.keys().signing == {}


def test_a_damaged_pin_is_told_apart_from_a_lying_broker(client: Client, connect: Connect, tmp_path: Path) -> None:
    client.keys()
    (pin,) = (tmp_path / "state").glob("broker-*.json")
    pin.write_text("{}")
    with pytest.raises(UnverifiedError) as caught:
        connect().keys()
    assert caught.value.code == "store_damaged"


def test_a_refusal_carries_its_decision(client: Client) -> None:
    with pytest.raises(ProblemError) as caught:
        client.ask("avon", REQUEST | {"purpose": "other"})
    assert (caught.value.code, caught.value.status, caught.value.title) == ("not_granted", 403, "Not so")
    assert caught.value.decision is not None
    assert caught.value.decision["clauses"] == ["grants/0"]


def test_an_answer_that_is_lost_is_asked_for_again_with_the_same_key(client: Client, broker: BrokerDouble) -> None:
    broker.drops.append("/aggregates")
    answer = client.ask("avon", REQUEST)
    first, second = broker.called("/aggregates")
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == answer.idempotency_key
    assert broker.kinds().count("charged") == 1


def test_asking_with_the_key_of_a_lost_answer_charges_nothing_again(
    broker: BrokerDouble, connect: Connect, waits: list[float]
) -> None:
    client = connect()
    broker.drops += ["/aggregates"] * 6
    with pytest.raises(UnreachableError) as caught:
        client.ask("avon", REQUEST)
    assert len(waits) == 5
    key = caught.value.idempotency_key
    assert client.ask("avon", REQUEST, idempotency_key=key).proof.n == 3
    assert broker.kinds().count("charged") == 1


def test_a_stored_release_is_verified_like_a_new_one(client: Client, broker: BrokerDouble) -> None:
    answer = client.ask("avon", REQUEST)
    again = client.release("avon", answer.release["id"])
    assert again.release == answer.release
    assert again.idempotency_key is None
    (listed,) = client.releases("avon")
    assert listed["id"] == answer.release["id"]
    key = answer.idempotency_key
    assert key is not None
    broker.answers[key] = tampered_value(broker.answers[key])
    with pytest.raises(UnverifiedError):
        client.release("avon", answer.release["id"])


def test_a_preview_is_free_and_may_be_repeated(client: Client, broker: BrokerDouble) -> None:
    broker.drops.append("/preview")
    assert client.preview("avon", REQUEST)["affordable"] is True
    assert len(broker.called("/preview")) == 2
