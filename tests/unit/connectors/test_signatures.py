"""Signatures over an agreement's file, verified offline: any changed byte is refused, and who is missing is told."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors import signatures
from connectors.errors import LocalError, UnverifiedError
from connectors.signatures import Document
from schemas import agreement as documents
from schemas import jws, strict_yaml
from schemas.canonical import canonical
from schemas.errors import DocumentError

BROKER = "https://broker.example"
KEYS = {name: Ed25519PrivateKey.generate() for name in ("police", "ed", "council")}


def small_agreement():
    """Return the smallest agreement of three parties."""
    parties = [
        {"id": name, "name": name, "kind": "other", "role": "controller", "key": thumbprint(key)}
        for name, key in KEYS.items()
    ]
    return {
        "concordat": "agreement/v1",
        "id": "small",
        "version": "1",
        "title": "Small",
        "period": {"start": "2026-04-01", "end": "2028-03-31", "review_by": "2027-03-31"},
        "parties": parties,
        "purposes": {"p": {"description": "D", "legal": {"article_6": "e"}}},
        "pins": {},
        "datasets": {
            "d": {"schema": "s/v1", "supplier": "police", "every": "P1M", "keep": "P3Y", "bounds": {"per_person": 3}}
        },
        "grants": [{"to": ["council"], "for": ["p"], "dataset": "d"}],
        "privacy": {
            "budget": {
                "epsilon": "8", "delta_conversion": "5e-8", "delta_selection": "0", "every": "P3M",
                "from": "2026-04-01",
            },
            "lifetime": {"epsilon": "24"},
            "per_request": {"share": "0.1"},
            "shares": {"council": "1"},
            "usable": {"half_width": "0.3", "value": 10},
        },
    }  # fmt: skip


def thumbprint(key):
    return jws.thumbprint(jws.public_jwk(key.public_key()))


JSON = canonical(small_agreement())
YAML = b"# For police, ED and council alone.\n" + strict_yaml.dumps(small_agreement()).encode()
KINDS = {"application/json": JSON, "application/yaml": YAML}


def bare(data, kind, party, broker=BROKER):
    document = Document.read(data, kind)
    payload = documents.signature_payload(document.value, broker)
    return jws.sign(payload, KEYS[party], typ=documents.SIGNATURE_TYPE)


def file_of(data, kind, party, broker=BROKER):
    return signatures.make(Document.read(data, kind), bare(data, kind, party, broker), KEYS[party], broker)


def jwk(party):
    return jws.public_jwk(KEYS[party].public_key())


def holds(data, kind, signature, keys=(), broker=BROKER):
    """Whether a signature holds; a file or signature that cannot even be read is refused too."""
    try:
        given = signatures.read("given", signature)
        found = signatures.verify(Document.read(data, kind), [given], keys, broker)
    except (DocumentError, LocalError, UnverifiedError):
        return False
    assert len(found.held) + len(found.refused) == 1
    return bool(found.held)


def flips(data):
    """Yield every text that differs in one byte, by a low bit or by the bit of a letter's case."""
    for place, byte in enumerate(data):
        for bit in (0x01, 0x20):
            yield place, data[:place] + bytes([byte ^ bit]) + data[place + 1 :]


@pytest.mark.parametrize("kind", KINDS)
def test_one_flipped_byte_anywhere_in_a_signed_file_is_refused(kind):
    data = KINDS[kind]
    signature = file_of(data, kind, "police")
    assert holds(data, kind, signature)
    assert [place for place, changed in flips(data) if holds(changed, kind, signature)] == []


def test_one_flipped_byte_anywhere_in_a_canonical_file_is_refused_by_a_bare_signature_too():
    signature = bare(JSON, "application/json", "police").encode()
    keys = [jwk("police")]
    assert holds(JSON, "application/json", signature, keys)
    accepted = [place for place, changed in flips(JSON) if holds(changed, "application/json", signature, keys)]
    assert accepted == []


@pytest.mark.parametrize("made", [bare, file_of])
def test_one_flipped_byte_anywhere_in_a_signature_is_refused(made):
    signature = made(JSON, "application/json", "police")
    signature = signature.encode() + b"\n" if isinstance(signature, str) else signature
    keys = [jwk("police")]
    assert holds(JSON, "application/json", signature, keys)
    accepted = [place for place, changed in flips(signature) if holds(JSON, "application/json", changed, keys)]
    assert accepted == []


@pytest.mark.parametrize("changed", [b"", b"x", b"{}", b"[]", b"..", b"\xff..x", b'{"type": 1}', b"null"])
def test_what_is_no_signature_is_refused(changed):
    assert not holds(JSON, "application/json", changed, [jwk("police")])


def test_a_bare_signature_covers_what_a_file_says_and_not_its_comments():
    signature = bare(YAML, "application/yaml", "police").encode()
    other = YAML.replace(b"# For", b"# Not for")
    given = signatures.read("given", signature)
    found = signatures.verify(Document.read(other, "application/yaml"), [given], [jwk("police")], BROKER)
    assert [item.covers for item in found.held] == ["content"]
    exact = signatures.read("exact", file_of(YAML, "application/yaml", "police"))
    found = signatures.verify(Document.read(other, "application/yaml"), [exact])
    assert [item.code for item in found.refused] == ["file_changed"]


def test_who_signed_for_which_broker_and_who_is_missing_is_told():
    other = "https://other.example"
    given = [
        signatures.read(name, file_of(JSON, "application/json", party, broker))
        for name, party, broker in (("1", "police", BROKER), ("2", "ed", BROKER), ("3", "council", other))
    ]
    found = signatures.verify(Document.read(JSON, "application/json"), given)
    assert [(item.party, item.broker, item.covers) for item in found.held] == [
        ("police", BROKER, "file"),
        ("ed", BROKER, "file"),
        ("council", other, "file"),
    ]
    assert found.missing == {BROKER: ("council",), other: ("police", "ed")}
    assert not found.as_json()["complete"]
    for_one = signatures.verify(Document.read(JSON, "application/json"), given, broker=BROKER)
    assert [item.code for item in for_one.refused] == ["other_broker"]
    given[2] = signatures.read("3", file_of(JSON, "application/json", "council"))
    assert signatures.verify(Document.read(JSON, "application/json"), given).as_json()["complete"]


def test_a_bare_signature_needs_its_key_and_its_broker():
    document = Document.read(JSON, "application/json")
    given = signatures.read("given", bare(JSON, "application/json", "police").encode())
    for keys, broker, code in (
        ((), BROKER, "key_missing"),
        ((jwk("ed"),), BROKER, "key_missing"),
        ((jwk("police"),), None, "broker_unknown"),
        ((jwk("police"),), "https://other.example", "bad_signature"),
    ):
        found = signatures.verify(document, [given], keys, broker)
        assert [item.code for item in found.refused] == [code]


def forged(**changes):
    value = json.loads(file_of(JSON, "application/json", "police"))
    return canonical(value | changes) + b"\n"


STRANGER = Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"party": "ed"}, "key_not_in_agreement"),
        ({"broker": "https://other.example"}, "bad_signature"),
        ({"key": jws.public_jwk(STRANGER.public_key())}, "key_not_in_agreement"),
        ({"key": jwk("ed"), "party": "ed"}, "bad_signature"),
        ({"signature": bare(JSON, "application/json", "ed")}, "bad_signature"),
        ({"file": "sha256:" + "0" * 64}, "file_changed"),
        ({"file_signature": bare(JSON, "application/json", "police")}, "bad_signature"),
    ],
)
def test_each_member_of_a_signature_file_is_held_to(changes, code):
    given = signatures.read("forged", forged(**changes))
    found = signatures.verify(Document.read(JSON, "application/json"), [given])
    assert [item.code for item in found.refused] == [code]


@pytest.mark.parametrize(
    "changes", [{"type": "other"}, {"more": 1}, {"key": jwk("police") | {"kid": "x"}}, {"file": 1}]
)
def test_a_signature_file_has_one_form(changes):
    with pytest.raises(LocalError):
        signatures.read("forged", forged(**changes))
