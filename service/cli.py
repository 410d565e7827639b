"""The broker's commands, the operator's, and ``agreement explain | replay``, which need its policy.

What they run is imported when they run: the connectors' commands share this process and should start at once.
"""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from connectors.commands.groups import group
from connectors.commands.output import Json
from schemas.clauses.parties import PartyKind
from service import cli_importing
from service.agreements.revocation import Reason
from service.identity.caller import Role
from service.settings import PushDigest, Settings

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
_DEFAULT_ISSUER = ""
"""The one that is pinned; before the broker first served, an address of this machine."""

party_app = typer.Typer(no_args_is_help=True, help="Enrol parties: the operator's act, out of band.")
client_app = typer.Typer(no_args_is_help=True, help="Machine clients of enrolled parties.")
user_app = typer.Typer(no_args_is_help=True, help="People of enrolled parties.")


def register(app: typer.Typer) -> None:
    """Add the service's commands to the ``concordat`` command."""
    app.command("serve")(serve_command)
    app.command("dev")(dev_command)
    app.command("demo")(demo_command)
    app.command("compact")(compact_command)
    app.command("expire")(expire_command)
    app.command("purge")(purge_command)
    app.add_typer(party_app, name="party")
    app.add_typer(client_app, name="client")
    app.add_typer(user_app, name="user")
    group(app, "agreement").command("replay")(replay_command)
    group(app, "agreement").command("explain")(explain_command)
    cli_importing.register(app)


def serve_command(
    *,
    state: StateOption = _DEFAULT_STATE,
    host: Annotated[str, typer.Option(envvar="CONCORDAT_HOST")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="CONCORDAT_PORT")] = 8000,
    issuer: IssuerOption = "",
    database_url: DatabaseOption = "",
    answer_time_step: Annotated[
        float, typer.Option(envvar="CONCORDAT_ANSWER_TIME_STEP", help="Seconds of the grid on which answers appear.")
    ] = 0.05,
    compact_files: Annotated[
        int,
        typer.Option(min=0, envvar="CONCORDAT_COMPACT_FILES", help="More files than this are merged; 0 for never."),
    ] = 64,
    push_digest: Annotated[
        PushDigest,
        typer.Option(envvar="CONCORDAT_PUSH_DIGEST", help="Whether each push has to name the agreement's digest."),
    ] = PushDigest.REQUIRED,
) -> None:
    """Serve the broker."""
    from service.app import create
    from service.serving import listen, serve

    settings = Settings(
        state=state.resolve(),
        issuer=issuer,
        database_url=database_url,
        answer_time_step=answer_time_step,
        compact_files=compact_files,
        push_digest=push_digest,
    )
    app = create(settings, f"http://{host}:{port}")
    serve(app, listen(host, port), lambda: typer.echo(f"Concordat serves {app.state.broker.settings.issuer}", err=True))


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
    made = dev.prepare(agreement, state, base_url, datetime.now(UTC), imports=artefacts)
    (state / "clients.json").unlink(missing_ok=True)

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


def compact_command(
    agreement: Annotated[str | None, typer.Option(help="Only this agreement's datasets.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only datasets of this name.")] = None,
    state: StateOption = _DEFAULT_STATE,
    issuer: IssuerOption = _DEFAULT_ISSUER,
    database_url: DatabaseOption = "",
) -> None:
    """Merge the stored files of datasets, and remove files that no question needs; answers stay what they are.

    Safe beside a broker that serves: a dataset that is being pushed to is left as it is.
    """
    from service.operating import compact

    for done in compact(_settings(state, issuer, database_url), agreement, dataset):
        typer.echo(f"{done.agreement} {done.dataset}: files {done.before} -> {done.after}")


def expire_command(
    state: StateOption = _DEFAULT_STATE,
    issuer: IssuerOption = _DEFAULT_ISSUER,
    database_url: DatabaseOption = "",
) -> None:
    """Remove for good the extracts that are to be kept no longer, by `keep` of their dataset from receipt.

    A serving broker does so by itself; run this from cron where none serves all the time.
    """
    from service.operating import expire

    done = expire(_settings(state, issuer, database_url))
    for item in done:
        typer.echo(f"{item.agreement} {item.dataset}: expired {item.extract}")
    if not done:
        typer.echo("nothing to expire")


def purge_command(
    state: StateOption = _DEFAULT_STATE,
    issuer: IssuerOption = _DEFAULT_ISSUER,
    database_url: DatabaseOption = "",
) -> None:
    """Purge the records of agreements that ended, of parties that left and of datasets left out, after the grace.

    A serving broker does so by itself; run this from cron where none serves all the time.
    """
    from service.operating import purge

    done, planned = purge(_settings(state, issuer, database_url))
    for plan in done:
        typer.echo(f"{plan.agreement}: purged {plan.whose} ({plan.reason})")
    for plan in planned:
        when = f"due {plan.due:%Y-%m-%dT%H:%M:%SZ}" if plan.due else "not purged: no signed confirmation holds"
        typer.echo(f"{plan.agreement}: {plan.whose} ({plan.reason}): {when}")
    if not done and not planned:
        typer.echo("nothing to purge")


def explain_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The agreement, YAML or JSON.")],
    request: Annotated[Path, typer.Argument(metavar="REQUEST.json", help="The question; its spend may be left out.")],
    party: Annotated[str, typer.Option("--as", metavar="PARTY", help="Who would ask.")],
    purpose: Annotated[
        str | None, typer.Option("--purpose", help="For which purpose; the question's own if none is given.")
    ] = None,
    role: Annotated[list[Role] | None, typer.Option("--role", help="In which roles; analyst if none is given.")] = None,
    artefacts: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Folder of further schemas, code lists and hierarchies."),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Explain what a document's policy says to a question, offline. The broker alone decides."""
    from connectors.commands import output
    from connectors.commands.failures import REFUSED, CommandError
    from service.explain import explain

    roles = tuple(sorted({str(item) for item in role or [Role.ANALYST]}))
    found = explain(file, request, party=party, roles=roles, purpose=purpose, folder=artefacts)
    output.result(found.as_json(), *found.lines(), as_json=json)
    if not found.decision.allowed:
        raise CommandError("refused", "the question would be refused", REFUSED, told=True)


@party_app.command("enrol")
def party_enrol(
    party: Annotated[str, typer.Argument(help="The party's id, as agreements name it.")],
    key: Annotated[Path, typer.Option(exists=True, help="The party's public Ed25519 signing key, a JWK file.")],
    name: Annotated[str, typer.Option(help="The party's name.")],
    kind: Annotated[PartyKind, typer.Option(help="What kind of body it is: the law is checked by it.")],
    state: StateOption = _DEFAULT_STATE,
    issuer: IssuerOption = _DEFAULT_ISSUER,
    database_url: DatabaseOption = "",
) -> None:
    """Enrol a party and pin its signing key. Compare the thumbprint with the party by another channel."""
    from service.operating import enrol_party

    thumbprint = enrol_party(_settings(state, issuer, database_url), party, name, kind, key)
    typer.echo(f"{party} is enrolled with the key {thumbprint}")


@party_app.command("correct")
def party_correct(
    party: Annotated[str, typer.Argument(help="The party's id.")],
    name: Annotated[str | None, typer.Option(help="Its name from now on.")] = None,
    kind: Annotated[PartyKind | None, typer.Option(help="What kind of body it is from now on.")] = None,
    state: StateOption = _DEFAULT_STATE,
    issuer: IssuerOption = _DEFAULT_ISSUER,
    database_url: DatabaseOption = "",
) -> None:
    """Correct the name or kind that a party is enrolled with. Agreements in force stay so."""
    from service.operating import correct_party

    made = correct_party(_settings(state, issuer, database_url), party, name, kind)
    typer.echo(f"{party} is enrolled as {made.name} ({made.kind}); documents have to give it that kind from now on")


@party_app.command("rotate-key")
def party_rotate_key(
    party: Annotated[str, typer.Argument(help="The party's id.")],
    key: Annotated[Path, typer.Option(exists=True, help="The party's next public Ed25519 signing key, a JWK file.")],
    state: StateOption = _DEFAULT_STATE,
    issuer: IssuerOption = _DEFAULT_ISSUER,
    database_url: DatabaseOption = "",
) -> None:
    """Pin a party's next signing key. Compare the thumbprint with the party by another channel."""
    from service.operating import rotate_key

    thumbprint, before = rotate_key(_settings(state, issuer, database_url), party, key)
    typer.echo(f"{party} signs with the key {thumbprint} from now on")
    if before is not None:
        typer.echo(f"superseded: {before}; what it signed before stays valid")


@party_app.command("revoke-key")
def party_revoke_key(
    party: Annotated[str, typer.Argument(help="The party's id.")],
    key_thumbprint: Annotated[str, typer.Option("--key-thumbprint", help="Thumbprint of the key.")],
    reason: Annotated[Reason, typer.Option(help="Why.")],
    state: StateOption = _DEFAULT_STATE,
    issuer: IssuerOption = _DEFAULT_ISSUER,
    database_url: DatabaseOption = "",
) -> None:
    """Revoke a key of a party's: it makes no new signature valid; what it signed before stays valid."""
    from service.operating import revoke_key

    revoke_key(_settings(state, issuer, database_url), party, key_thumbprint, reason)
    typer.echo(f"the key {key_thumbprint} of {party} is revoked ({reason})")


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


def replay_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The version to decide by, YAML or JSON.")],
    log: Annotated[Path, typer.Option(help="What `concordat log export` wrote.")],
    party: Annotated[
        str | None, typer.Option("--as", help="Only what this party may read, of an export that holds more.")
    ] = None,
    before: Annotated[
        list[Path] | None,
        typer.Option(
            help="An earlier version: with --as, what the party supplied under it counts too. May be repeated."
        ),
    ] = None,
    *,
    json: Json = False,
) -> None:
    """Decide the log's past questions under a version: which would be allowed or refused that were not. Offline."""
    from connectors.commands import output
    from connectors.versions import read
    from service.replaying import replay_file, shown

    earlier = [read(path).agreement for path in before or ()]
    made = replay_file(log, read(file).agreement, party, earlier)
    output.result(made, *shown(made), as_json=json)


def _settings(state: Path, issuer: str, database_url: str) -> Settings:
    return Settings(state=state.resolve(), issuer=issuer, database_url=database_url)
