"""The service's commands: ``concordat serve | dev | demo | party | client | user``."""

from __future__ import annotations

import ipaddress
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas import strict_json
from schemas.canonical import canonical
from schemas.errors import DocumentError
from schemas.jws import public_key, thumbprint
from service import app as composition
from service import dev as development
from service.agreements.ports import PinnedKey
from service.agreements.registry import enrol
from service.api import app as web
from service.api.broker import Broker
from service.errors import ConcordatError
from service.identity.caller import Caller, Role
from service.identity.ports import ClientRow
from service.serving import listen, serve
from service.settings import Settings

StateOption = Annotated[Path, typer.Option("--state", envvar="CONCORDAT_STATE", help="Folder of everything kept.")]
IssuerOption = Annotated[
    str, typer.Option("--issuer", envvar="CONCORDAT_ISSUER", help="The broker's URL as its clients see it.")
]
DatabaseOption = Annotated[
    str,
    typer.Option(
        "--database-url",
        envvar="CONCORDAT_DATABASE_URL",
        help="Control database; SQLite in the state folder if empty.",
    ),
]
_DEFAULT_STATE = Path("concordat-state")
_DEFAULT_ISSUER = "http://127.0.0.1:8000"

party_app = typer.Typer(no_args_is_help=True, help="Enrol parties: the operator's act, out of band.")
client_app = typer.Typer(no_args_is_help=True, help="Machine clients of enrolled parties.")
user_app = typer.Typer(no_args_is_help=True, help="People of enrolled parties.")


def register(app: typer.Typer) -> None:
    """Add the service's commands to the ``concordat`` command."""
    app.command("serve")(serve_command)
    app.command("dev")(dev_command)
    app.command("demo")(demo_command)
    app.add_typer(party_app, name="party")
    app.add_typer(client_app, name="client")
    app.add_typer(user_app, name="user")


def _fail(error: ConcordatError | DocumentError) -> typer.Exit:
    typer.echo(f"{error.code}: {error}", err=True)
    for finding in getattr(error, "findings", ()):
        words = finding if isinstance(finding, tuple) else (finding.column, finding.detail or finding.rule)
        typer.echo(f"  {words[0]}: {words[1]}", err=True)
    return typer.Exit(3)


def serve_command(
    state: StateOption = _DEFAULT_STATE,
    host: Annotated[str, typer.Option(envvar="CONCORDAT_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="CONCORDAT_PORT")] = 8000,
    issuer: IssuerOption = "",
    database_url: DatabaseOption = "",
    answer_time_step: Annotated[
        float,
        typer.Option(envvar="CONCORDAT_ANSWER_TIME_STEP", help="Seconds of the grid on which answers appear."),
    ] = 0.05,
) -> None:
    """Serve the broker."""
    settings = Settings(
        state=state.resolve(),
        issuer=issuer or f"http://{host}:{port}",
        database_url=database_url,
        answer_time_step=answer_time_step,
    )
    try:
        app = composition.create(settings)
    except ConcordatError as error:
        raise _fail(error) from None
    listening = listen(host, port)
    serve(app, listening, lambda: typer.echo(f"Concordat serves {settings.issuer}", err=True))


def dev_command(
    agreement: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="An agreement, YAML or JSON.")],
    state: Annotated[Path, typer.Option(help="Folder for keys, data and clients.json.")],
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option(help="A loopback address.")] = "127.0.0.1",
) -> None:
    """Try an agreement of your own: keys for every party, all signed, a broker on loopback.

    Writes STATE/clients.json once it listens, beside STATE/agreement.yaml.
    """
    if not ipaddress.ip_address(host).is_loopback:
        typer.echo("not_loopback: dev holds every party's keys; it serves loopback alone", err=True)
        raise typer.Exit(2)
    listening = listen(host, port)
    base_url = f"http://{host}:{listening.getsockname()[1]}"
    state = state.resolve()
    (state / "clients.json").unlink(missing_ok=True)
    try:
        made = development.prepare(agreement, state, base_url, datetime.now(UTC))
    except (ConcordatError, DocumentError) as error:
        raise _fail(error) from None

    def started() -> None:
        development.write_clients(state, made.clients)
        typer.echo(f"Concordat serves {base_url}; clients are in {state / 'clients.json'}", err=True)

    serve(web.create(made.broker, composition.VERSION), listening, started)


def demo_command(
    once: Annotated[bool, typer.Option("--once", help="Stop at the end instead of serving on.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for charts, exports and state.")] = Path("demo-output"),
) -> None:
    """Agencies push, analysts ask, noise and budget at work, the log verified."""
    from service.demo import run  # noqa: PLC0415 - the demo needs the connectors, other commands do not

    sys.exit(run(out, once=once))


def _broker(state: Path, issuer: str, database_url: str) -> Broker:
    return composition.build(Settings(state=state.resolve(), issuer=issuer, database_url=database_url))


@party_app.command("enrol")
def party_enrol(
    party: Annotated[str, typer.Argument(help="The party's id, as agreements name it.")],
    key: Annotated[Path, typer.Option(exists=True, help="The party's public Ed25519 signing key, a JWK file.")],
    name: Annotated[str, typer.Option(help="The party's name.")],
    kind: Annotated[str, typer.Option(help="police, health, local-authority ...")],
    state: StateOption = _DEFAULT_STATE,
    issuer: IssuerOption = _DEFAULT_ISSUER,
    database_url: DatabaseOption = "",
) -> None:
    """Enrol a party and pin its signing key. Compare the thumbprint with the party by another channel."""
    try:
        jwk = _public_jwk(key)
        broker = _broker(state, issuer, database_url)
        with broker.store.write() as tx:
            pinned = PinnedKey(party, thumbprint(jwk), canonical(jwk).decode())
            enrol(tx, party, name, kind, pinned, broker.clock(), Caller.nonce())
    except (ConcordatError, DocumentError) as error:
        raise _fail(error) from None
    typer.echo(f"{party} is enrolled with the key {thumbprint(jwk)}")


@client_app.command("add")
def client_add(
    client: Annotated[str, typer.Argument(help="The client's id.")],
    party: Annotated[str, typer.Option(help="The party it acts for.")],
    key: Annotated[Path, typer.Option(exists=True, help="Its public key, a JWK file; not the party's signing key.")],
    role: Annotated[list[Role], typer.Option(help="May be given more than once.")],
    state: StateOption = _DEFAULT_STATE,
    issuer: IssuerOption = _DEFAULT_ISSUER,
    database_url: DatabaseOption = "",
) -> None:
    """Add a machine client of an enrolled party."""
    try:
        jwk = _public_jwk(key)
        broker = _broker(state, issuer, database_url)
        with broker.store.write() as tx:
            _add_client(tx, client, party, role, canonical(jwk).decode(), thumbprint(jwk), broker.clock())
    except (ConcordatError, DocumentError) as error:
        raise _fail(error) from None
    typer.echo(f"{client} may act for {party} as {', '.join(role)}")


@user_app.command("token")
def user_token(
    user: Annotated[str, typer.Argument(help="The person's account, such as an e-mail address without its domain.")],
    party: Annotated[str, typer.Option(help="The party the person acts for.")],
    role: Annotated[list[Role], typer.Option(help="May be given more than once.")],
    hours: Annotated[float, typer.Option(min=0.1, max=12, help="How long the token lasts.")] = 8,
    state: StateOption = _DEFAULT_STATE,
    issuer: IssuerOption = _DEFAULT_ISSUER,
    database_url: DatabaseOption = "",
) -> None:
    """Print an access token for a person."""
    try:
        broker = _broker(state, issuer, database_url)
        now = broker.clock()
        with broker.store.write() as tx:
            if tx.clients.client(user) is None:
                _add_client(tx, user, party, role, None, None, now)
            row = tx.clients.client(user)
            if row is None or row.party != party or row.disabled_at or not set(role) <= set(row.roles.split()):
                raise ConcordatError("the account acts for another party or has other roles", code="other_account")
            token = broker.sign_in.issue(tx, row, frozenset(role), now, timedelta(hours=hours))
    except (ConcordatError, DocumentError) as error:
        raise _fail(error) from None
    typer.echo(token)


def _add_client(
    tx: Any, client: str, party: str, roles: list[Role], jwk: str | None, print_: str | None, now: datetime
) -> None:
    pinned = tx.agreements.pinned_key(party)
    if pinned is None:
        raise ConcordatError(f"{party} is not enrolled", code="party_not_enrolled")
    if print_ is not None and tx.agreements.key(print_) is not None:
        raise ConcordatError("a client's key is never a party's signing key", code="key_reused")
    if tx.clients.client(client) is not None:
        raise ConcordatError(f"{client} is there already", code="already_added")
    tx.clients.add(ClientRow(client, party, " ".join(sorted(roles)), jwk, now.isoformat(), None))


def _public_jwk(path: Path) -> dict[str, str]:
    value = strict_json.loads(path.read_bytes())
    if not isinstance(value, dict) or "d" in value:
        raise DocumentError("bad_key", "give the public key alone: a JWK without d")
    public_key(value)
    return {name: value[name] for name in ("crv", "kty", "x")}
