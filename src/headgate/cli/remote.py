"""The API of a running proxy, as commands call it."""

from __future__ import annotations

import http.client
import json
import socket
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
        "--token", envvar="HEADGATE_TOKEN", metavar="TEXT", help="The token of the API; or HEADGATE_TOKEN."
    ),
)


def remote_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which proxy is meant."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


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
        self._token = token or (section.token if section is not None else None)

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
