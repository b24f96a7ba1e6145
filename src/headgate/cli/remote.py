"""The API of a running proxy, as commands call it."""

from __future__ import annotations

import functools
import http.client
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from headgate.cli.configuration import valid

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 10.0
FAILED = 1

_OPTIONS = (
    click.option(
        "-c",
        "--config",
        envvar="HEADGATE_CONFIG",
        metavar="FILE",
        help="The configuration file that names the admin address and its token; or HEADGATE_CONFIG.",
    ),
    click.option(
        "--admin",
        envvar="HEADGATE_ADMIN",
        metavar="ADDRESS",
        help="The admin address, such as 127.0.0.1:9080 or unix:/run/admin.sock; or HEADGATE_ADMIN.",
    ),
    click.option(
        "--token-file",
        envvar="HEADGATE_TOKEN_FILE",
        metavar="FILE",
        help="The file with the token of the API; or HEADGATE_TOKEN_FILE.",
    ),
    click.option(
        "--token",
        envvar="HEADGATE_TOKEN",
        metavar="TEXT",
        help="The token itself, which others may see in the list of processes; better HEADGATE_TOKEN.",
    ),
)


def remote_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which proxy is meant, for a command that takes it as `remote`."""

    @functools.wraps(command)
    def with_remote(
        *, config: str | None, admin: str | None, token_file: str | None, token: str | None, **others: Any
    ) -> None:
        command(remote=Remote(config, admin, token or _token_in(token_file)), **others)

    for option in reversed(_OPTIONS):
        with_remote = option(with_remote)
    return with_remote


def _token_in(path: str | Path | None) -> str | None:
    if path is None:
        return None
    try:
        return Path(path).read_text().strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise click.UsageError(f"{path} cannot be read: {reason}.") from None


class Remote:
    """The proxy at an admin address; without one, at the first of the file, unix sockets before others."""

    def __init__(self, config: str | None, admin: str | None, token: str | None) -> None:
        if admin is None and config is None:
            raise click.UsageError("Say where the proxy is: --admin ADDRESS, or -c FILE.")
        section = valid(config).admin if config is not None else None
        if admin is None:
            if section is None:
                raise click.UsageError(f"{config} has no admin address; write `admin: {{ bind: ... }}`.")
            admin = min(section.bind, key=lambda bind: not bind.startswith("unix:"))
        self._address = admin
        self._token = token
        if token is None and config is not None and section is not None:
            file = section.token_file
            self._token = section.token or _token_in(Path(config).parent / file if file else None)

    def call(self, method: str, *path: str, body: Any = None) -> Any:
        """What the API answers. Ends the command with code 1 and the reason when it refuses."""
        connection = self._connection()
        fields = {"Host": "localhost", "Content-Type": "application/json"}
        if self._token:
            fields["Authorization"] = f"Bearer {self._token}"
        try:
            target = "/".join(("/api/v1", *(quote(part, safe="") for part in path)))
            connection.request(
                method, target, json.dumps(body).encode() if body is not None else None, fields
            )
            response = connection.getresponse()
            status, text = response.status, response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise self._failure(f"nobody answers at {self._address}: {error}") from None
        finally:
            connection.close()
        try:
            answer = json.loads(text)
        except ValueError:
            raise self._failure(f"{self._address} is no API of Headgate: {status}") from None
        if status != 200:
            hint = f"\n    {answer['hint']}" if answer.get("hint") else ""
            raise self._failure(f"{answer.get('error', status)}{hint}")
        return answer

    @staticmethod
    def _failure(reason: str) -> SystemExit:
        click.echo(f"headgate: {reason}", err=True)
        return SystemExit(FAILED)

    def _connection(self) -> http.client.HTTPConnection:
        if self._address.startswith("unix:"):
            return _UnixConnection(self._address[5:])
        host, colon, port = self._address.rpartition(":")
        if not colon or not port.isdecimal():
            raise click.UsageError(f"'{self._address}' is no address; write HOST:PORT or unix:/path.")
        return http.client.HTTPConnection(host.strip("[]") or "127.0.0.1", int(port), timeout=PATIENCE)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = f"\0{path[1:]}" if path.startswith("@") else path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)
