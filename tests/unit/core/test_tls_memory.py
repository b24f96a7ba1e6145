"""What connections cost while they are open, and that nothing stays when they are gone."""

from __future__ import annotations

import gc
import os
import sys
import weakref
from pathlib import Path

import pytest

from headgate.core.tls import TlsContext
from support.sealed import (
    AUTHORITY,
    CLIENTS,
    NAME,
    SECRET,
    Core,
    client_context,
    pass_on,
    server_context,
    shake,
)

PAGE = os.sysconf("SC_PAGE_SIZE")
PAIR, OWN = AUTHORITY.issue(NAME), CLIENTS.issue("client", client=True)


def resident() -> int:
    """Memory of this process, in bytes."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def contexts(version: str = "") -> tuple[TlsContext, TlsContext]:
    server = TlsContext(server_context(PAIR, version=version, clients=CLIENTS))
    server.set_ticket_secrets([SECRET])
    return TlsContext(client_context(own=OWN)), server


def broken(client: Core, server: Core) -> None:
    """A handshake that fails half way, or a record that cannot be opened."""
    client.take(b"")
    data = bytearray(client.output())
    data[-1] ^= 0xFF
    server.take(bytes(data))
    server.take(b"\x16\3\3\0\1x")


def served(client: Core, server: Core) -> None:
    """A connection that says something, and ends."""
    shake(client, server)
    client.send(b"ask" * 200)
    server.send(b"answer" * 20_000)
    pass_on(client, server)
    for side in (client, server):
        assert len(side.tls.peer_chain) == 1
        assert side.tls.alpn is None
        assert side.tls.version
        assert side.tls.cipher
    client.end()
    pass_on(client, server)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_nothing_is_left_behind(version: str) -> None:
    """Neither by connections that end, nor by those that break, stay half open, or resume."""
    ours, theirs = contexts(version)
    session = None

    def run(count: int) -> None:
        nonlocal session
        for number in range(count):
            client = Core(ours, server=False, session=session)
            server = Core(theirs, server=True)
            if number % 4 == 0:
                broken(client, server)
            elif number % 4 == 1:
                client.take(b"")
                server.take(client.output())
            else:
                served(client, server)
                session = client.tls.session if number % 8 == 2 else None

    run(200)
    before, references = resident(), sys.getrefcount(ours)
    run(1000)
    assert resident() - before < 1_000_000  # 1 KB of each would be a tenth of a connection
    assert sys.getrefcount(ours) == references


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_an_idle_connection_is_small(version: str) -> None:
    """Its client's end is held here too; the design allows 20 KB for the server's, with all around it."""
    theirs = TlsContext(server_context(PAIR, version=version))
    theirs.set_ticket_secrets([SECRET])
    ours = TlsContext(client_context())

    def opened() -> Core:
        client, server = Core(ours, server=False), Core(theirs, server=True)
        shake(client, server)
        client.send(b"x" * 600)
        server.send(b"y" * 800)
        pass_on(client, server)
        server.plain.clear()
        return server

    for _ in range(100):
        opened()
    count = 600
    before = resident()
    idle = [opened() for _ in range(count)]
    assert (resident() - before) / count < 18_000
    assert all(server.done for server in idle)


def test_a_context_lives_as_long_as_its_connections_and_no_longer() -> None:
    ours, theirs = contexts()
    plain = weakref.ref(theirs.context)
    client, server = Core(ours, server=False), Core(theirs, server=True)
    alive = weakref.ref(theirs)
    del theirs
    shake(client, server)
    assert server.done
    assert alive() is not None
    del server
    gc.collect()
    assert alive() is None
    assert plain() is None
