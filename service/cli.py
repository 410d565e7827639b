"""The service's commands: ``concordat serve | dev | demo | party | client | user | codelist | hierarchy``.

What they run is imported when they run: the connectors' commands share this process and should start at once.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from service import cli_importing
from service.identity.caller import Role
from service.settings import Settings

if find_spec("fastapi") is None:  # what the commands need is imported late, so its absence is told here
    raise ModuleNotFoundError("these commands need concordat[service]", name="fastapi")

StateOption = Annotated[Path, typer.Option("--state", envvar="CONCORDAT_STATE", help="Folder of everything kept.")]
IssuerOption = Annotated[
    str, typer.Option("--issuer", envvar="CONCORDAT_ISSUER", help="The broker's URL as its clients see it.")
]
DatabaseOption = Annotated[
    str,
    typer.Option(
        "--database-url", envvar="CONCORDAT_DATABASE_URL", help="Control database; SQLite in the state folder if empty."
    ),
]
PartyOption = Annotated[str, typer.Option(help="The party it acts for.")]
RolesOption = Annotated[list[Role], typer.Option("--role", help="May be given more than once.")]
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
    cli_importing.register(app)


def serve_command(
    state: StateOption = _DEFAULT_STATE,
    host: Annotated[str, typer.Option(envvar="CONCORDAT_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="CONCORDAT_PORT")] = 8000,
    issuer: IssuerOption = "",
    database_url: DatabaseOption = "",
    answer_time_step: Annotated[
        float, typer.Option(envvar="CONCORDAT_ANSWER_TIME_STEP", help="Seconds of the grid on which answers appear.")
    ] = 0.05,
) -> None:
    """Serve the broker."""
    from service.app import create
    from service.serving import listen, serve

    settings = Settings(
        state=state.resolve(),
        issuer=issuer or f"http://{host}:{port}",
        database_url=database_url,
        answer_time_step=answer_time_step,
    )
    app = create(settings)
    serve(app, listen(host, port), lambda: typer.echo(f"Concordat serves {settings.issuer}", err=True))


def dev_command(
    agreement: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="An agreement, YAML or JSON.")],
    state: Annotated[Path, typer.Option(help="Folder for keys, data and clients.json.")],
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = 8000,
    host: Annotated[str, typer.Option(help="A loopback address.")] = "127.0.0.1",
    artefacts: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of code lists and hierarchies to import.")
    ] = None,
) -> None:
    """Try an agreement of your own: keys for every party, all signed, a broker on loopback.

    Writes STATE/clients.json once it listens, beside STATE/agreement.yaml.
    """
    from service import dev
    from service.api import app as web
    from service.app import VERSION
    from service.serving import listen, serve

    if not ipaddress.ip_address(host).is_loopback:
        raise typer.BadParameter("dev holds every party's keys; it serves loopback alone", param_hint="--host")
    listening = listen(host, port)
    base_url = f"http://{host}:{listening.getsockname()[1]}"
    state = state.resolve()
    (state / "clients.json").unlink(missing_ok=True)
    made = dev.prepare(agreement, state, base_url, datetime.now(UTC), imports=artefacts)

    def started() -> None:
        dev.write_clients(state, made.clients)
        typer.echo(f"Concordat serves {base_url}; clients are in {state / 'clients.json'}", err=True)

    serve(web.create(made.broker, VERSION), listening, started)


def demo_command(
    *,
    once: Annotated[bool, typer.Option("--once", help="Stop at the end instead of serving on.")] = False,
    out: Annotated[Path, typer.Option(help="Folder for charts, exports and state.")] = Path("demo-output"),
) -> None:
    """Agencies push, analysts ask, noise and budget at work, the log verified."""
    from service.demo import run

    raise typer.Exit(run(out, once=once))


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
    from service.operating import enrol_party

    thumbprint = enrol_party(_settings(state, issuer, database_url), party, name, kind, key)
    typer.echo(f"{party} is enrolled with the key {thumbprint}")


@client_app.command("add")
def client_add(
    client: Annotated[str, typer.Argument(help="The client's id.")],
    party: PartyOption,
    key: Annotated[Path, typer.Option(exists=True, help="Its public key, a JWK file; not the party's signing key.")],
    role: RolesOption,
    state: StateOption = _DEFAULT_STATE,
    issuer: IssuerOption = _DEFAULT_ISSUER,
    database_url: DatabaseOption = "",
) -> None:
    """Add a machine client of an enrolled party."""
    from service.operating import add_client

    add_client(_settings(state, issuer, database_url), client, party, role, key)
    typer.echo(f"{client} may act for {party} as {', '.join(role)}")


@user_app.command("token")
def user_token(
    user: Annotated[str, typer.Argument(help="The person's account at the party.")],
    party: PartyOption,
    role: RolesOption,
    hours: Annotated[float, typer.Option(min=0.1, max=12, help="How long the token lasts.")] = 8,
    state: StateOption = _DEFAULT_STATE,
    issuer: IssuerOption = _DEFAULT_ISSUER,
    database_url: DatabaseOption = "",
) -> None:
    """Print an access token for a person."""
    from service import operating

    typer.echo(operating.user_token(_settings(state, issuer, database_url), user, party, role, hours))


def _settings(state: Path, issuer: str, database_url: str) -> Settings:
    return Settings(state=state.resolve(), issuer=issuer, database_url=database_url)
