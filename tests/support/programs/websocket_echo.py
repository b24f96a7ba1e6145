"""A strict WebSocket server: `python -m support.programs.websocket_echo PORT`.

Every message comes back; the response to the handshake says in X-Via what the request said in Via.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response


async def echo(connection: ServerConnection) -> None:
    """Send back every message."""
    with contextlib.suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


def tell(_connection: ServerConnection, request: Request, response: Response) -> None:
    """Say how the request came."""
    response.headers["X-Via"] = ", ".join(request.headers.get_all("Via"))


async def main(port: int) -> None:
    """Serve for ever."""
    async with serve(
        echo, "127.0.0.1", port, process_response=tell, max_size=None, ping_interval=None
    ) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
