"""The story: write, check, sign as four parties, register, ask, amend, replay, end, receipts."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import httpx

from service.walkthrough import documents
from service.walkthrough.transcript import Transcript

_HEAD = """# The life of an agreement

Four parties write, check, sign, use, amend and end an agreement. This page is what `python -m service.walkthrough >
docs/walkthrough-agreement.md` printed: every command was run, each by the party whose name stands before the prompt,
with a key and a token of its own. Digests, ids, signatures, key thumbprints and times of day are masked. The records
are made up.
"""
_KINDS = {
    "cardiff-ed": "health",
    "south-wales-police": "police",
    "south-wales-pcc": "local-policing-body",
    "operator": "processor",
}
_ROLES = {
    "cardiff-ed": ("ig-lead", "supplier"),
    "south-wales-police": ("ig-lead", "steward"),
    "south-wales-pcc": ("ig-lead", "analyst"),
    "operator": ("ig-lead",),
}
_GRACE_DAYS = 31
_PATIENCE = 60.0
_POLL = 0.05


class Cast:
    """The parties' shells: where the broker is, and who has which token.

    Attributes:
        url: The broker's address, also its issuer.
        port: Its port.
        state: Its state folder.
    """

    def __init__(self, folder: Path) -> None:
        """Choose a free port."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.state = folder / "broker"
        self._tokens: dict[tuple[str, str], str] = {}

    def token(self, party: str, role: str, token: str) -> None:
        """Keep the token of a party's person."""
        self._tokens[party, role] = token

    def shell(self, party: str, role: str) -> dict[str, str]:
        """Return the variables of a party's person."""
        return {
            "CONCORDAT_BROKER": self.url,
            "CONCORDAT_AGREEMENT": "cardiff-model",
            "CONCORDAT_CLIENT_STATE": f"{party}/state",
            "CONCORDAT_TOKEN": self._tokens[party, role],
        }

    @contextmanager
    def serving(self, days: int = 0) -> Iterator[None]:
        """Run the broker, some days ahead of time."""
        words = [sys.executable, "-m", "service.walkthrough.broker", str(self.state), str(self.port), str(days)]
        process = subprocess.Popen(words)  # noqa: S603 - our own module
        try:
            self._wait(process)
            yield
        finally:
            process.terminate()
            process.wait(_PATIENCE)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + _PATIENCE
        while process.poll() is None and time.monotonic() < end:
            try:
                if httpx.get(f"{self.url}/readyz").is_success:
                    return
            except httpx.TransportError:
                time.sleep(_POLL)
        raise RuntimeError("the broker did not start")

    def later_token(self, party: str, role: str, days: int) -> None:
        """Take a token of a later day for a party's person."""
        words = ["token", str(self.state), str(self.port), str(days), f"{party}-{role}", party, role]
        made = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "service.walkthrough.broker", *words], capture_output=True, text=True, check=True
        )
        self.token(party, role, made.stdout)


def tell(folder: Path, today: date) -> str:
    """Run the story in an empty folder and return the page.

    Args:
        folder: Where files and the broker's state go.
        today: Fixes the agreement's year.
    """
    page, cast = Transcript(folder), Cast(folder)
    page.lines += [_HEAD]
    signed = _write(page, folder, today)
    _enrol(page, cast)
    with cast.serving():
        _sign(page, cast)
        _ask(page, cast, folder, today)
        _amend(page, cast, folder, signed)
        _end(page, cast)
    with cast.serving(_GRACE_DAYS):
        _receipts(page, cast)
    return page.page()


def _write(page: Transcript, folder: Path, today: date) -> str:
    page.heading("1. Write")
    page.say(
        """Each party makes its signing key where it will stay, and gives the public half to the others and to the
        broker's operator by another channel than this one. The document names the keys by their thumbprints."""
    )
    keys = {}
    for party in documents.PARTIES:
        (folder / party).mkdir()
        command = f"key new {party}/signing.jwk"
        if party == documents.PARTIES[0]:
            page.run(party, command)
        else:
            page.quiet(command)
        keys[party] = json.loads((folder / party / "signing.pub.jwk").read_text())["kid"]
    signed = documents.signed_text(keys, today)
    page.say("The police draft the agreement from the Cardiff example, with a grant to the commissioner:")
    page.show("yaml", documents.GRANT)
    (folder / "draft.yaml").write_text(documents.draft_text(signed))
    page.heading("2. Check")
    page.say(
        """The draft rests on section 16 of the 2022 Act. The check reads the law as a table and says why that cannot
        be, where, and by which subsection. It is a check for people to read, and no legal advice."""
    )
    page.run("south-wales-police", "agreement check draft.yaml", expect=4)
    page.say("With section 115 of the 1998 Act and its conditions in its place, nothing is found.")
    (folder / "agreement.yaml").write_text(signed)
    page.run("south-wales-police", "agreement check agreement.yaml")
    return signed


def _enrol(page: Transcript, cast: Cast) -> None:
    page.heading("3. Enrol")
    page.say(
        """The operator compares each thumbprint by telephone and pins the key. From now on no document can bring
        another key for that party. People get accounts with roles; systems get clients with keys of their own."""
    )
    at = f"--state {cast.state} --issuer {cast.url}"
    for party in documents.PARTIES:
        command = f"party enrol {party} --name {party} --kind {_KINDS[party]} --key {party}/signing.pub.jwk"
        shown = page.run if party == documents.PARTIES[0] else None
        if shown is not None:
            env = {"CONCORDAT_STATE": str(cast.state), "CONCORDAT_ISSUER": cast.url}
            shown("operator", command, env=env)
        else:
            page.quiet(f"{command} {at}")
        for role in _ROLES[party]:
            made = page.quiet(f"user token {party}-{role} --party {party} --role {role} {at}")
            cast.token(party, role, made.stdout.strip())


def _signing(cast: Cast, party: str, name: str) -> str:
    """Return the command by which a party signs a version."""
    return f"agreement sign {name}.yaml --key {party}/signing.jwk --broker {cast.url} --out {party}/{name}.sig"


def _sign(page: Transcript, cast: Cast) -> None:
    page.heading("4. Register and sign")
    page.say("A steward registers the version. It binds nobody yet.")
    page.run("south-wales-police", "agreement register agreement.yaml", env=cast.shell("south-wales-police", "steward"))
    page.say(
        """Each party signs on its own machine, for this broker alone. A signature file covers every byte of the
        document; whoever has the files can verify them offline, in any order."""
    )
    for party in documents.PARTIES:
        command = (
            f"agreement sign agreement.yaml --key {party}/signing.jwk --broker {cast.url} --out {party}/agreement.sig"
        )
        page.run(party, command)
    files = " ".join(f"--signature {party}/agreement.sig" for party in documents.PARTIES)
    page.run("cardiff-ed", f"agreement verify agreement.yaml {files}")
    page.say(
        "Signatures arrive in any order. Each is answered with the broker's signed receipt, which the party keeps."
    )
    for party in reversed(documents.PARTIES):
        command = f"agreement submit agreement.yaml {party}/agreement.sig --out {party}/receipt.json"
        page.run(party, command, env=cast.shell(party, "ig-lead"))
    page.run("cardiff-ed", "agreement status", env=cast.shell("cardiff-ed", "ig-lead"))


def _ask(page: Transcript, cast: Cast, folder: Path, today: date) -> None:
    page.heading("5. Use")
    year = documents.year_of(today)
    days = f"--from {year}-04-01 --to {year}-06-30"
    page.say("The emergency department rehearses with made-up records, then pushes.")
    page.run("cardiff-ed", f"synth --schema ed-assaults/v1 --rows 6000 {days} --seed 1 --out cardiff-ed/extract.csv")
    page.run("cardiff-ed", f"push ed-assaults cardiff-ed/extract.csv {days}", env=cast.shell("cardiff-ed", "supplier"))
    page.say("The commissioner's analyst asks where people are assaulted.")
    (folder / "question.json").write_text(documents.question(today))
    page.show("json", documents.question(today))
    analyst = cast.shell("south-wales-pcc", "analyst")
    page.run("south-wales-pcc", "preview question.json", env=analyst)
    page.run("south-wales-pcc", "ask question.json", env=analyst)
    page.say("A question by years of age is refused, with what would be allowed; offline, the same policy explains it.")
    (folder / "too-fine.json").write_text(documents.too_fine(today))
    page.run("south-wales-pcc", "ask too-fine.json", expect=3, env=analyst)
    page.run(
        "south-wales-pcc",
        "agreement explain agreement.yaml too-fine.json --as south-wales-pcc --purpose violence-prevention",
        expect=3,
    )


def _amend(page: Transcript, cast: Cast, folder: Path, signed: str) -> None:
    page.heading("6. Amend")
    page.say(
        "At the review the department wants less granted to the commissioner. Version 2 says so; the diff, in words:"
    )
    (folder / "agreement-2.yaml").write_text(documents.amended_text(signed))
    page.run("cardiff-ed", "agreement diff agreement.yaml agreement-2.yaml")
    page.say("Before anyone signs, the log's past decisions are decided again under it.")
    lead = cast.shell("cardiff-ed", "ig-lead")
    page.run("cardiff-ed", "log export log.ndjson", env=lead)
    page.run("cardiff-ed", "agreement replay agreement-2.yaml --log log.ndjson --as cardiff-ed --before agreement.yaml")
    page.say("All four sign the new version; what was spent under the first one stays spent.")
    page.run(
        "south-wales-police", "agreement register agreement-2.yaml", env=cast.shell("south-wales-police", "steward")
    )
    for party in documents.PARTIES:
        page.quiet(_signing(cast, party, "agreement-2"))
        page.quiet(f"agreement submit agreement-2.yaml {party}/agreement-2.sig", env=cast.shell(party, "ig-lead"))
    page.run("cardiff-ed", "agreement status", env=lead)
    page.run("south-wales-pcc", "ask question.json", expect=3, env=cast.shell("south-wales-pcc", "analyst"))
    page.run("south-wales-pcc", "budget", env=cast.shell("south-wales-pcc", "analyst"))


def _end(page: Transcript, cast: Cast) -> None:
    page.heading("7. End")
    page.say(
        "The department ends the agreement, with a confirmation signed by its key. Nothing is answered from then on."
    )
    page.run(
        "cardiff-ed",
        "agreement terminate --signing-key cardiff-ed/signing.jwk",
        env=cast.shell("cardiff-ed", "ig-lead"),
    )
    page.run("south-wales-pcc", "ask question.json", expect=3, env=cast.shell("south-wales-pcc", "analyst"))


def _receipts(page: Transcript, cast: Cast) -> None:
    page.heading("8. Receipts")
    page.say(
        f"""The grace of the agreement passes: here the broker's clock was moved on by {_GRACE_DAYS} days. It purges
        what is due by itself, and each supplier fetches its own signed receipt."""
    )
    for party, role in (("cardiff-ed", "ig-lead"), ("south-wales-police", "ig-lead")):
        cast.later_token(party, role, _GRACE_DAYS)
    lead = cast.shell("cardiff-ed", "ig-lead")
    page.run("cardiff-ed", "agreement purge-receipt --out cardiff-ed/purge-receipt.json", env=lead)
    page.run("cardiff-ed", "agreement status", env=lead)
    page.say("The log tells the whole story, and verifies offline with the key that the broker publishes.")
    page.quiet("log export whole-log.ndjson", env=lead)
    key = httpx.get(f"{cast.url}/v1/keys").json()["log"]["verifier_key"]
    done = page.quiet(f"log verify whole-log.ndjson --key {key}")
    page.show("console", f"cardiff-ed$ concordat log verify whole-log.ndjson --key LOG-KEY\n{done.stdout.rstrip()}")
