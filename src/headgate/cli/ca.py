"""`headgate ca`: the local authority that signs for `tls: internal`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import click

if TYPE_CHECKING:
    from headgate.controller.certificates.authority import Authority

FAILED = 1
ENVIRONMENT = 2

_state_option = click.option(
    "--state",
    metavar="FOLDER",
    help="Where the authority is kept; else HEADGATE_STATE, or the folder that `headgate run` takes.",
)


class Store(NamedTuple):
    """How a family of systems is told whom to believe."""

    folder: Path
    command: tuple[str, ...]


STORES = (
    Store(Path("/usr/local/share/ca-certificates"), ("update-ca-certificates",)),  # Debian, Ubuntu, Alpine
    Store(Path("/etc/pki/ca-trust/source/anchors"), ("update-ca-trust",)),  # Fedora, Red Hat
)


@click.group(invoke_without_command=True)
@_state_option
@click.pass_context
def command(context: click.Context, state: str | None) -> None:
    """Print the root of the local authority, which signs the certificates of `tls: internal`.

    It is made when there is none yet. Who believes this root believes every listener with
    `tls: internal` of this machine.

    \b
    headgate ca > root.crt
    headgate ca path
    curl --cacert "$(headgate ca path)" https://localhost:8443/
    sudo headgate ca install --state "$(dirname "$(headgate ca path)")"

    Exit codes: 0 done; 1 the system's store could not be changed; 2 the authority cannot be kept.
    """
    if context.invoked_subcommand is None:
        click.echo(_authority(state).root, nl=False)


@command.command()
@_state_option
@click.pass_context
def path(context: click.Context, state: str | None) -> None:
    """Print the path of the root's file, for programs that take one.

    \b
    curl --cacert "$(headgate ca path)" https://localhost:8443/
    SSL_CERT_FILE="$(headgate ca path)" python client.py
    """
    click.echo(_authority(state or _outer(context)).root_file)


@command.command()
@_state_option
@click.pass_context
def install(context: click.Context, state: str | None) -> None:
    """Have the whole system believe the local authority; for Debian, Fedora and their relatives.

    Browsers with a list of their own (Firefox, Chromium) want the root imported there.

    \b
    sudo headgate ca install
    sudo headgate ca install --state ~/.local/state/headgate
    """
    store = next((each for each in STORES if shutil.which(each.command[0], path=_search_path())), None)
    authority = _authority(state or _outer(context))
    if store is None:
        _fail(
            "no store of this system is known here (update-ca-certificates, update-ca-trust)",
            f"import {authority.root_file} where your system keeps its authorities",
        )
    target = store.folder / f"headgate-{authority.fingerprint.replace(':', '')[:16].lower()}.crt"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(authority.root)
    except OSError as error:
        hint = f"sudo {sys.argv[0]} ca install --state {authority.folder}"
        _fail(f"cannot write {target}: {(error.strerror or str(error)).lower()}", hint)
    done = subprocess.run(
        store.command, capture_output=True, text=True, check=False, env=os.environ | {"PATH": _search_path()}
    )
    if done.returncode:
        target.unlink()
        _fail(f"{store.command[0]} failed: {(done.stderr or done.stdout).strip()}", "")
    click.echo(f"The system believes {authority.root_file} now, as {target}.")
    click.echo(f"SHA-256 {authority.fingerprint}")
    click.echo("Firefox and Chromium have lists of their own: import the file there, too.")


def _outer(context: click.Context) -> str | None:
    """What stands before the name of the subcommand."""
    state: str | None = context.parent.params["state"] if context.parent is not None else None
    return state


def _search_path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _authority(state: str | None) -> Authority:
    from headgate.controller.certificates.authority import Authority, state_folder
    from headgate.controller.certificates.findings import Broken

    folder = Path(state) if state else state_folder()
    try:
        return Authority.open(folder)
    except Broken as broken:
        click.echo(f"headgate: {broken.reason}", err=True)
        click.echo(f"    {broken.hint}", err=True)
        raise SystemExit(ENVIRONMENT) from None


def _fail(reason: str, hint: str) -> NoReturn:
    click.echo(f"headgate: {reason}", err=True)
    if hint:
        click.echo(f"    {hint}", err=True)
    raise SystemExit(FAILED)
