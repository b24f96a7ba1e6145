"""A TLS handshake between two contexts, in memory."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any


@dataclass
class Handshake:
    """How it ended: what the client saw of the server, or what went wrong on which side."""

    client: ssl.SSLObject
    server: ssl.SSLObject
    failure: str = ""

    @property
    def certificate(self) -> bytes:
        """The server's certificate as the client got it, in DER."""
        found = self.client.getpeercert(binary_form=True)
        assert found is not None
        return found


def shake(
    server: ssl.SSLContext,
    client: ssl.SSLContext,
    name: str | None = None,
    session: Any = None,
) -> Handshake:
    """Let both talk until they are done or one of them fails."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name, session=session)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    done: set[int] = set()
    for _ in range(10):
        for side in (ours, theirs):
            if id(side) in done:
                continue
            try:
                side.do_handshake()
                done.add(id(side))
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as error:
                return Handshake(ours, theirs, error.reason or str(error))
    assert len(done) == 2, "the handshake does not end"
    # In TLS 1.3 the client is done before the server says what it thinks of the client's certificate.
    for read in (theirs.read, ours.read):
        try:
            read(1)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            return Handshake(ours, theirs, error.reason or str(error))
    return Handshake(ours, theirs)
