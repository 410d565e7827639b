"""Signed notes and checkpoints: golden ones, and both codes against each other and against tampering."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from connectors import tlog
from connectors.tlog import LogError
from service.audit.checkpoint import (
    CheckpointError,
    key_id,
    parse_checkpoint,
    parse_note,
    parse_verifier_key,
    sign_checkpoint,
    sign_note,
    verifier_key,
    verify_checkpoint,
)

# The published example of golang.org/x/mod/sumdb/note, where the signed-note format comes from.
GOLDEN_SEED = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
GOLDEN_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GOLDEN_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
GOLDEN_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
GOLDEN_NOTE = f"{GOLDEN_TEXT}\n— PeterNeumann {GOLDEN_SIGNATURE}\n"

# Ours, from the key 00 01 02 ... 1f: whoever changes the format notices here.
ORIGIN = "broker.example/log"
ROOT = hashlib.sha256(b"root").digest()
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VKEY = verifier_key(ORIGIN, KEY.public_key())
OUR_GOLDEN_BODY = "broker.example/log\n7\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n"
OUR_GOLDEN_SIGNATURE = "lVSOIu6ZrCl5iggckaOiaLqUPpHuIQVgnI/6e1C3unNzKUNKKQo8/aZwyIaecrq6iRTLV+Jc1KchS3wTwImsHaak5wo="
OUR_GOLDEN_VKEY = "broker.example/log+95548e22+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"


def refused(note: str, vkey: str = VKEY) -> str:
    """Both codes refuse; return the writer's code."""
    with pytest.raises(LogError):
        tlog.open_checkpoint(note, vkey)
    with pytest.raises(CheckpointError) as caught:
        verify_checkpoint(note, parse_verifier_key(vkey))
    return caught.value.code


def test_the_published_note_is_reproduced_and_opens() -> None:
    key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(GOLDEN_SEED)[1:])
    assert sign_note(GOLDEN_TEXT, "PeterNeumann", key) == GOLDEN_NOTE
    assert verifier_key("PeterNeumann", key.public_key()) == GOLDEN_VKEY
    assert str(parse_verifier_key(GOLDEN_VKEY)) == GOLDEN_VKEY
    assert tlog.open_note(GOLDEN_NOTE, GOLDEN_VKEY) == GOLDEN_TEXT


def test_a_checkpoint_has_the_form_of_the_specification() -> None:
    note = sign_checkpoint(ORIGIN, 7, ROOT, KEY)
    assert note == f"{OUR_GOLDEN_BODY}\n— broker.example/log {OUR_GOLDEN_SIGNATURE}\n"
    assert VKEY == OUR_GOLDEN_VKEY
    signature = base64.b64decode(note.split(" ")[-1])
    assert signature[:4] == key_id(ORIGIN, KEY.public_key())
    public = KEY.public_key().public_bytes_raw()
    assert signature[:4] == hashlib.sha256(ORIGIN.encode() + b"\n\x01" + public).digest()[:4]
    assert len(signature) == 4 + 64


def test_both_codes_read_what_the_broker_signs() -> None:
    note = sign_checkpoint(ORIGIN, 7, ROOT, KEY)
    read = tlog.open_checkpoint(note, VKEY)
    written = verify_checkpoint(note, parse_verifier_key(VKEY))
    assert (read.origin, read.size, read.root) == (ORIGIN, 7, ROOT)
    assert (written.origin, written.size, written.root) == (ORIGIN, 7, ROOT)
    assert parse_checkpoint(note) == written
    assert read.note == note


def test_every_changed_character_is_noticed() -> None:
    note = sign_checkpoint(ORIGIN, 7, ROOT, KEY)
    for place, char in enumerate(note):
        for other in {"A", "B", "0", "\n", " "} - {char}:
            refused(note[:place] + other + note[place + 1 :])
        refused(note[:place] + note[place + 1 :])


def test_a_key_of_the_same_name_is_not_the_pinned_one() -> None:
    stranger = Ed25519PrivateKey.from_private_bytes(bytes(32))
    assert refused(sign_checkpoint(ORIGIN, 7, ROOT, stranger)) == "key_unknown"


def test_a_checkpoint_of_another_log_by_the_same_key_is_refused() -> None:
    body = "other.example/log\n7\n" + base64.b64encode(ROOT).decode() + "\n"
    note = sign_note(body, ORIGIN, KEY)
    assert refused(note) == "checkpoint_malformed"
    with pytest.raises(LogError) as caught:
        tlog.open_checkpoint(note, VKEY)
    assert caught.value.code == "origin_mismatch"


def test_signatures_of_witnesses_are_ignored_and_ours_is_still_needed() -> None:
    note = sign_checkpoint(ORIGIN, 7, ROOT, KEY)
    witness = base64.b64encode(b"wwww" + bytes(72)).decode()
    witnessed = f"{note}— witness.example/w {witness}\n"
    assert tlog.open_checkpoint(witnessed, VKEY).size == 7
    assert verify_checkpoint(witnessed, parse_verifier_key(VKEY)).size == 7
    text, signatures = parse_note(witnessed)
    assert text == OUR_GOLDEN_BODY
    assert [line.name for line in signatures] == [ORIGIN, "witness.example/w"]
    assert refused(f"{OUR_GOLDEN_BODY}\n— witness.example/w {witness}\n") == "key_unknown"


def test_one_wrong_signature_of_the_pinned_key_spoils_the_note() -> None:
    note = sign_checkpoint(ORIGIN, 7, ROOT, KEY)
    wrong = base64.b64encode(key_id(ORIGIN, KEY.public_key()) + bytes(64)).decode()
    assert refused(f"{note}— {ORIGIN} {wrong}\n") == "signature_invalid"


@pytest.mark.parametrize(
    "body",
    [
        "broker.example/log\n07\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n",
        "broker.example/log\n-7\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n",
        "broker.example/log\n\u0667\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n",
        "broker.example/log\n7\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7J=\n",
        "broker.example/log\n7\nAAAA\n",
        "broker.example/log\n7\n????\n",
        "broker.example/log\n7\n",
        "\n7\nSBNJTRN+FjG7owHVrKtue7eqdM4RhdRWVl71HXN2d7I=\n",
    ],
)
def test_a_signed_body_that_is_no_checkpoint_is_refused(body: str) -> None:
    assert refused(sign_note(body, ORIGIN, KEY)) == "checkpoint_malformed"


@pytest.mark.parametrize(
    "note",
    [
        "",
        "text\n",
        OUR_GOLDEN_BODY,
        OUR_GOLDEN_BODY + "\n",
        OUR_GOLDEN_BODY + "\n— broker.example/log AAAA",
        OUR_GOLDEN_BODY + "\n- broker.example/log AAAAAAAA\n",
        OUR_GOLDEN_BODY + "\n— broker.example/log ?\n",
        OUR_GOLDEN_BODY.replace("7", "7\r") + "\n— broker.example/log AAAAAAAA\n",
        OUR_GOLDEN_BODY.replace("7", "7\ud800") + "\n— broker.example/log AAAAAAAA\n",
    ],
)
def test_what_is_no_note_is_refused(note: str) -> None:
    assert refused(note) == "note_malformed"


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "broker.example/log",
        VKEY.replace("+", "+0", 1),
        VKEY[:-4] + "AAAA",
        VKEY + "=",
        VKEY.replace("broker", "brokers"),
        VKEY.replace("broker", "bro ker"),
        "n+00000000+" + base64.b64encode(b"\x02" + bytes(32)).decode(),
        "n+00000000+" + base64.b64encode(b"\x01" + bytes(31)).decode(),
    ],
)
def test_a_malformed_verifier_key_is_refused(vkey: str) -> None:
    note = sign_checkpoint(ORIGIN, 7, ROOT, KEY)
    with pytest.raises(LogError) as read:
        tlog.open_checkpoint(note, vkey)
    with pytest.raises(CheckpointError) as written:
        parse_verifier_key(vkey)
    assert read.value.code == written.value.code == "key_malformed"


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [
        ("", 1, ROOT),
        ("a b", 1, ROOT),
        ("a+b", 1, ROOT),
        ("a\nb", 1, ROOT),
        ("a", -1, ROOT),
        ("a", 1, b"short"),
    ],
)
def test_the_broker_signs_no_malformed_checkpoint(origin: str, size: int, root: bytes) -> None:
    with pytest.raises(CheckpointError):
        sign_checkpoint(origin, size, root, KEY)


def test_the_broker_signs_no_text_that_is_no_note() -> None:
    for text in ("no newline", "a\rb\n", "\ud800\n"):
        with pytest.raises(CheckpointError):
            sign_note(text, ORIGIN, KEY)
