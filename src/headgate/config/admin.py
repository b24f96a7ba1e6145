"""What contradicts itself in who may reach the admin address, and with what."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headgate.base.errors import Refusal
from headgate.config.addresses import parse_bind
from headgate.config.plain import items, mapping, shown
from headgate.config.secrets import read_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.config.document import Document
    from headgate.config.problems import Problem

OTHERS_READ = 0o004


def errors_of_admin(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """Who can be reached from other machines asks for a token."""
    admin = mapping(data.get("admin"))
    if admin.get("token") and admin.get("token_file"):
        yield document.problem(
            ("admin", "token_file"), "there are two tokens", "remove token or token_file", key=True
        )
    elif not admin.get("token") and not admin.get("token_file"):
        yield from _open_to_all(admin, document)
    if document.written and isinstance(admin.get("token_file"), str):
        try:
            read_secret(_path(admin, document))
        except Refusal as refusal:
            yield document.problem(("admin", "token_file"), refusal.reason, refusal.hint)


def _open_to_all(admin: dict[str, Any], document: Document) -> Iterator[Problem]:
    for index, bind in enumerate(items(admin.get("bind"))):
        try:
            address = parse_bind(bind) if isinstance(bind, str) else None
        except Refusal:
            continue  # the models say it
        if address is not None and address.host and not ipaddress.ip_address(address.host).is_loopback:
            path = ("admin", "bind", index)
            yield document.problem(
                path,
                f"{shown(document, path, bind)} can be reached from other machines, and there is no token",
                f"write 127.0.0.1:{address.port}, [::1]:{address.port} or a unix socket, or set token_file",
            )


def warnings_of_admin(data: dict[str, Any], document: Document) -> Iterator[Problem]:
    """A token that everybody on the machine can read is none."""
    admin = mapping(data.get("admin"))
    if document.written and isinstance(admin.get("token_file"), str):
        path = _path(admin, document)
        if path.stat().st_mode & OTHERS_READ:
            yield document.problem(
                ("admin", "token_file"),
                f"{path} can be read by everybody on this machine",
                f"chmod o-r {path}",
                warning=True,
            )


def _path(admin: dict[str, Any], document: Document) -> Path:
    return Path(document.file).parent / str(admin["token_file"])
