import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest
import uvloop

from headgate.worker.listening import Listening, Served


class Greeter:
    """Accepts, says the listener's name and closes."""

    def __init__(self, name: str, fd: int) -> None:
        self._name = name
        self._socket = socket.socket(fileno=fd)
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        connection, _ = self._socket.accept()
        with connection:
            connection.send(self._name.encode())

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()


Test = Callable[[Listening, socket.socket, Path], Coroutine[None, None, None]]


def on_both_loops(test: Test) -> Callable[..., None]:
    """Run the test on asyncio's loop and on uvloop's, with a socket that is bound."""

    @pytest.mark.parametrize(
        "factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
    )
    def run(factory: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path) -> None:
        async def main() -> None:
            listening = Listening(asyncio.get_running_loop(), Greeter)
            with socket.socket() as bound:
                bound.bind(("127.0.0.1", 0))  # not listening yet
                bound.setblocking(False)
                await test(listening, bound, tmp_path)
            await listening.close()

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(main())

    run.__name__ = test.__name__
    return run


async def greet(sock: socket.socket) -> str:
    host, port = sock.getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    try:
        async with asyncio.timeout(5):
            return (await reader.read()).decode()
    finally:
        writer.close()
        await writer.wait_closed()


@on_both_loops
async def test_it_listens_gives_up_and_listens_again(
    listening: Listening, bound: socket.socket, tmp_path: Path
) -> None:
    listening.hold({(0, "k"): os.dup(bound.fileno())})
    listening.serve({"k": Served("web", 10)})
    listening.settle()
    assert await greet(bound) == "web"

    listening.accepting = False
    listening.settle()
    waiting = asyncio.ensure_future(greet(bound))  # in the queue, which stays open
    await asyncio.sleep(0.02)
    assert not waiting.done()

    listening.accepting = True
    listening.settle()
    assert await waiting == "web"


@on_both_loops
async def test_a_renamed_listener_greets_with_its_new_name(
    listening: Listening, bound: socket.socket, tmp_path: Path
) -> None:
    listening.hold({(0, "k"): os.dup(bound.fileno())})
    for name in ("old", "new"):
        listening.serve({"k": Served(name, 10)})
        listening.settle()
        assert await greet(bound) == name


@on_both_loops
async def test_what_is_no_longer_served_is_closed(
    listening: Listening, bound: socket.socket, tmp_path: Path
) -> None:
    listening.hold({(0, "k"): bound.detach(), (0, "other"): os.open(os.devnull, os.O_RDONLY)})
    listening.serve({"k": Served("web", 10)})
    listening.settle()
    listening.serve({})
    listening.settle()
    await listening.close()
    assert listening._sockets == {}


@on_both_loops
async def test_covering_for_another_slot(listening: Listening, bound: socket.socket, tmp_path: Path) -> None:
    listening.serve({"k": Served("web", 10)})
    listening.settle()
    listening.hold({(7, "k"): os.dup(bound.fileno())})
    listening.settle()
    assert await greet(bound) == "web"
    listening.release(7)
    listening.settle()
    waiting = asyncio.ensure_future(greet(bound))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    listening.hold({(0, "k"): os.dup(bound.fileno())})
    listening.settle()
    assert await waiting == "web"


@on_both_loops
async def test_what_waits_is_taken_before_it_closes(
    listening: Listening, bound: socket.socket, tmp_path: Path
) -> None:
    listening.hold({(0, "k"): os.dup(bound.fileno())})
    listening.serve({"k": Served("web", 50)})
    listening.settle()
    clients = [socket.create_connection(bound.getsockname()) for _ in range(20)]
    bound.close()
    await listening.close()  # the last holder
    for client in clients:
        with client:
            client.setblocking(False)
            assert await asyncio.get_running_loop().sock_recv(client, 9) == b"web"


@on_both_loops
async def test_a_unix_socket_keeps_its_path(
    listening: Listening, bound: socket.socket, tmp_path: Path
) -> None:
    path = str(tmp_path / "x.sock")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.setblocking(False)
        listening.hold({(-1, "u"): os.dup(unix.fileno())})
        for _ in range(2):
            listening.serve({"u": Served("unix", 10)})
            listening.settle()
            reader, writer = await asyncio.open_unix_connection(path)
            assert await reader.read() == b"unix"
            writer.close()
            await writer.wait_closed()
            listening.accepting = not listening.accepting
            listening.settle()
            listening.accepting = True
            listening.settle()
        assert os.path.exists(path)  # noqa: ASYNC240, PTH110
