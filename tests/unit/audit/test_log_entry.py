"""What goes into an entry, what does not, and that its leaf is over all of it."""

import hashlib
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from schemas.errors import DocumentError
from service.audit.entry import AgreementRef, Caller, Charge, Decision, Entry, Kind, check_reason
from service.audit.export import entry_line

NONCE = "0123456789abcdef0123456789abcdef"
TIME = datetime(2026, 4, 1, 10, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))


def make(**changes: Any) -> Entry:
    fields = {
        "kind": Kind.CHARGED,
        "time": TIME,
        "caller": Caller("client-1", "opcc", "analyst"),
        "nonce": NONCE,
        "agreement": AgreementRef("avon", "2", "sha256:" + "a" * 64),
        "purpose": "needs-assessment",
        "reason": check_reason("quarterly profile", no_identifiers),
        "request": {"dataset": "police-violence", "where": [{"field": "knife", "is": True}]},
        "decision": Decision("allowed", "granted", ["grants/0"]),
        "charge": Charge("intent-1", 0, 300, 5),
    }
    return Entry(**{**fields, **changes})


def no_identifiers(text: str) -> list[str]:
    return []


def digits(text: str) -> list[str]:
    return ["digits"] if any("0" <= char <= "9" for char in text) else []


def refusal(**changes: Any) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        make(**changes)
    return caught.value


def test_an_entry_has_the_form_that_verifiers_read() -> None:
    assert make().as_dict() == {
        "kind": "charged",
        "time": "2026-04-01T09:00:00.123Z",
        "caller": {"client": "client-1", "party": "opcc", "role": "analyst"},
        "agreement": {"id": "avon", "version": "2", "digest": "sha256:" + "a" * 64},
        "purpose": "needs-assessment",
        "reason": "quarterly profile",
        "request": {"dataset": "police-violence", "where": [{"field": "knife", "is": True}]},
        "decision": {"outcome": "allowed", "code": "granted", "clauses": ["grants/0"]},
        "charge": {"intent": "intent-1", "period": 0, "rho_nano": 300, "delta_e18": 5, "unit": "person"},
        "result": None,
        "nonce": NONCE,
    }


def test_every_key_is_there_when_nothing_is_known() -> None:
    bare = Entry(kind=Kind.SIGN_IN_REFUSED, time=TIME, caller=Caller(), nonce=NONCE)
    assert bare.as_dict().keys() == make().as_dict().keys()
    assert bare.as_dict()["caller"] == {"client": None, "party": None, "role": None}


def test_the_leaf_is_over_the_canonical_entry_and_its_nonce() -> None:
    data = make().data()
    assert make().leaf() == hashlib.sha256(b"\x00" + data).digest()
    assert json.loads(data) == make().as_dict()
    assert make(nonce="f" * 32).leaf() != make().leaf()


def test_an_export_line_holds_the_entry_as_it_was_hashed() -> None:
    assert json.loads(entry_line(4, make().data())) == {"n": 4, "entry": make().as_dict()}


@pytest.mark.parametrize("nonce", ["", "0" * 31, "0" * 33, "A" * 32, "0" * 32 + "\n", "g" * 32])
def test_a_nonce_is_128_bits_in_hex(nonce: str) -> None:
    assert refusal(nonce=nonce).path == "nonce"


def test_a_time_without_a_zone_is_refused() -> None:
    assert refusal(time=datetime(2026, 4, 1)).path == "time"  # noqa: DTZ001 - the mistake under test


@pytest.mark.parametrize("value", [-1, 2**53, True, 1.0])
def test_charges_are_whole_numbers_that_json_keeps_exact(value: Any) -> None:
    assert refusal(charge=Charge("intent-1", 0, value, 5)).path == "charge/rho_nano"


def test_an_agreement_is_named_by_its_digest() -> None:
    assert refusal(agreement=AgreementRef("avon", "2", "a" * 64)).path == "agreement/digest"


@pytest.mark.parametrize(
    "changes",
    [
        {"request": {"persons": ["ab" * 32]}},
        {"request": {"where": [{"in": ["x-" + "ab" * 32]}]}},
        {"result": {"ab" * 32: 1}},
        {"purpose": "ab" * 32},
    ],
)
def test_a_pseudonym_has_no_place_in_the_log(changes: Any) -> None:
    error = refusal(**changes)
    assert error.code == "pseudonym_in_entry"
    assert "abab" not in str(error)


def test_a_digest_has() -> None:
    assert make(result={"digest": "sha256:" + "ab" * 32}).data()


def test_values_without_canonical_form_are_refused() -> None:
    for value in (float("nan"), 2**60, "\ud800"):
        assert refusal(request={"value": value}).code == "not_canonical"


def test_a_reason_is_short() -> None:
    assert check_reason("é" * 200, no_identifiers) == "é" * 200
    with pytest.raises(DocumentError) as caught:
        check_reason("é" * 201, no_identifiers)
    assert caught.value.code == "reason_too_long"


@pytest.mark.parametrize("char", ["\n", "\t", "\x00", "\x7f", "\x85", "\u2028", "\u200b", "\u202e", "\ud800"])
def test_a_reason_has_no_control_or_invisible_characters(char: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_reason(f"a{char}b", no_identifiers)
    assert caught.value.code == "reason_characters"


@pytest.mark.parametrize("text", ["for 9434765919", "for \uff19\uff14\uff13"])  # the second in full-width digits
def test_a_reason_is_screened_for_identifiers_and_not_repeated(text: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_reason(text, digits)
    assert caught.value.code == "reason_identifier"
    assert text[4:] not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "a1" * 32,
        "\uff41\uff11" * 32,  # full-width letters and digits
        "a1a1 " * 16,
        "a1a1-" * 16,
        "a1" * 15 + "\u0430" + "b2" * 15,  # a Cyrillic letter in the middle
    ],
    ids=["plain", "full-width", "in groups", "hyphens", "Cyrillic"],
)
def test_no_pseudonym_gets_into_a_reason_however_it_is_written(text: str) -> None:
    with pytest.raises(DocumentError) as caught:
        check_reason(text, no_identifiers)
    assert caught.value.code == "reason_identifier"


@pytest.mark.parametrize(
    "text",
    ["a bad decade faced: deaf cafe, fade, dead beef", "2026-01-01 2026-02-01 2026-03-01 2026-04-01 and 2026-05-01"],
)
def test_ordinary_words_and_dates_are_a_reason(text: str) -> None:
    assert check_reason(text, no_identifiers) == text
