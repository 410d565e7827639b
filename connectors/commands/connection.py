"""Which broker, as whom: the options that all commands which reach a broker share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from connectors.client import Client
from connectors.commands.options import taking
from connectors.errors import LocalError
from connectors.files import read_secret
from connectors.keys import load_key
from connectors.sign_in import ClientKey, Credential, Token
from schemas import strict_json
from schemas.errors import DocumentError

TOKEN_VARIABLE = "CONCORDAT_TOKEN"  # noqa: S105 - where a token may be, not one
"""A ready access token is taken from the environment alone: arguments are seen by everyone on the machine."""

_PANEL = "Broker"
_MAX_CLIENTS = 1024 * 1024


def _option(*names: str, env: str, text: str) -> Any:
    return typer.Option(*names, envvar=f"CONCORDAT_{env}", help=text, rich_help_panel=_PANEL, show_default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The options as given."""

    broker: Annotated[str | None, _option("--broker", env="BROKER", text="Address of the broker.")] = None
    client: Annotated[str | None, _option("--client", env="CLIENT", text="Id of your client there.")] = None
    key: Annotated[Path | None, _option("--key", env="KEY", text="File of the client's private key, JWK or PEM.")] = (
        None
    )
    issuer: Annotated[
        str | None, _option("--issuer", env="ISSUER", text="The broker's issuer, if not its address.")
    ] = None
    agreement: Annotated[str | None, _option("--agreement", env="AGREEMENT", text="Id of the agreement.")] = None
    log_key: Annotated[
        str | None,
        _option("--log-key", env="LOG_KEY", text="Verifier key of the broker's log, had out of band."),
    ] = None
    state: Annotated[
        Path | None,
        _option("--state", env="CLIENT_STATE", text="Folder that remembers the broker's keys and checkpoints."),
    ] = None
    clients: Annotated[
        Path | None,
        _option("--clients", env="CLIENTS", text="clients.json of `concordat dev`, instead of the above."),
    ] = None
    acting_as: Annotated[str | None, _option("--as", env="PARTY", text="Which of its parties you are.")] = None
    role: Annotated[
        str | None,
        _option("--role", env="ROLE", text="Sign in for this role alone: supplier, analyst, ig-lead, steward."),
    ] = None

    def open(self, usual_role: str) -> Client:
        """Return a client of the broker.

        Args:
            usual_role: The role that the command needs; of a ``clients.json`` its token is taken.

        Raises:
            LocalError: A file cannot be used.
            BadParameter: Something is missing.
        """
        if self.clients is not None:
            listed = _Listed.read(self.clients)
            credential = self._of_party(listed, usual_role)
            return Client(
                self.broker or listed.base_url,
                credential,
                self.state or self.clients.absolute().parent / "client-state",
                issuer=self.issuer or listed.issuer,
                log_key=self.log_key,
            )
        if self.broker is None:
            raise typer.BadParameter("say which: --broker URL, or --clients FILE", param_hint="--broker")
        return Client(
            self.broker,
            self._credential(),
            self.state or Path(typer.get_app_dir("concordat")) / "state",
            issuer=self.issuer,
            log_key=self.log_key,
        )

    def agreement_id(self) -> str:
        """Return the agreement's id: the one given, or the one of ``clients.json``."""
        if self.agreement is not None:
            return self.agreement
        if self.clients is not None:
            return _Listed.read(self.clients).agreement
        raise typer.BadParameter("say which", param_hint="--agreement")

    def _credential(self) -> Credential:
        token = os.environ.get(TOKEN_VARIABLE)
        if self.client is None and self.key is None and token:
            return Token(token.strip())
        if self.client is None or self.key is None:
            raise typer.BadParameter(
                f"sign in with --client ID and --key FILE, or a token in {TOKEN_VARIABLE}", param_hint="--client"
            )
        return ClientKey(self.client, load_key(self.key), self.role)

    def _of_party(self, listed: _Listed, usual_role: str) -> Credential:
        party = listed.party(self.acting_as)
        token = party.get("tokens", {}).get(self.role or usual_role)
        if isinstance(token, str):
            return Token(token)
        return ClientKey(party["client_id"], load_key(listed.folder / party["key_file"]), self.role)


@dataclass(frozen=True, slots=True)
class _Listed:
    """A ``clients.json``; its key files lie relative to it."""

    folder: Path
    base_url: str
    issuer: str
    agreement: str
    parties: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> _Listed:
        try:
            value = strict_json.loads(read_secret(path, max_bytes=_MAX_CLIENTS))
        except DocumentError as error:
            raise LocalError("clients_malformed", f"{path}: {error.detail}") from error
        match value:
            case {
                "base_url": str(base_url),
                "issuer": str(issuer),
                "agreement": {"id": str(agreement)},
                "parties": dict(parties),
            }:
                return cls(path.absolute().parent, base_url, issuer, agreement, parties)
        raise LocalError("clients_malformed", f"{path} is no clients.json")

    def party(self, name: str | None) -> dict[str, Any]:
        if name is None or name not in self.parties:
            known = ", ".join(sorted(self.parties))
            raise typer.BadParameter(f"say which party you are: {known}", param_hint="--as")
        match self.parties[name]:
            case {"client_id": str(), "key_file": str(), **rest} as party if isinstance(rest.get("tokens", {}), dict):
                return dict(party)
        raise LocalError("clients_malformed", f"what it says of {name} is no client")


connected = taking(Connection)
"""Adds the options of ``Connection`` to a command whose first parameter takes one."""
