import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.supervisor.sockets import SHARED, BindError, Binding, Sockets
from support import free_port


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    sockets = Sockets()
    yield sockets
    sockets.close_all()


def use(sockets: Sockets, *bindings: Binding, slots: int = 1) -> None:
    sockets.close(sockets.commit(sockets.prepare(bindings, slots)))


def tcp(name: str = "web", port: int = 0, host: str = "127.0.0.1", **more: object) -> Binding:
    return Binding.of({"name": name, "host": host, "port": port, **more})


def port_of(sockets: Sockets, key_part: str = "web") -> int:
    (bound,) = [bound for bound in sockets.table.values() if bound.binding.name == key_part]
    return int(bound.address.rpartition(":")[2])


def reason(sockets: Sockets, *bindings: Binding) -> str:
    with pytest.raises(BindError) as raised:
        sockets.prepare(bindings, 1)
    return "\n".join(raised.value.reasons)


def test_one_socket_for_each_slot_on_the_same_port(sockets: Sockets) -> None:
    use(sockets, tcp(), slots=3)
    (bound,) = sockets.table.values()
    assert list(bound.sockets) == [0, 1, 2]
    assert len({sock.getsockname() for sock in bound.sockets.values()}) == 1
    assert bound.address == f"127.0.0.1:{port_of(sockets)}"


def test_a_second_instance_is_refused_even_before_anybody_accepts(sockets: Sockets) -> None:
    use(sockets, tcp(), slots=2)
    other = Sockets()
    text = reason(other, tcp(port=port_of(sockets)))
    assert "in use by another process" in text
    assert "is headgate running already?" in text


def test_a_port_of_another_program_is_refused(sockets: Sockets) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert f"web: cannot listen on 127.0.0.1:{port}: it is in use" in reason(sockets, tcp(port=port))


def test_a_port_with_old_connections_is_free(sockets: Sockets) -> None:
    use(sockets, tcp())
    port = port_of(sockets)
    (bound,) = sockets.table.values()
    with socket.create_connection(("127.0.0.1", port)) as client:
        bound.sockets[0].setblocking(True)
        accepted, _ = bound.sockets[0].accept()
        accepted.close()  # we close first: TIME_WAIT is on our side
        assert client.recv(1) == b""
    use(sockets)
    use(sockets, tcp(port=port))


def test_all_reasons_at_once_and_nothing_stays_bound(sockets: Sockets, tmp_path: Path) -> None:
    free = tcp("fine")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        text = reason(
            sockets,
            free,
            tcp("used", port),
            tcp("far", host="192.0.2.1"),
            Binding("path", unix=str(tmp_path / "no" / "x.sock")),
            Binding("file", unix=__file__),
            Binding("inherited", fd=987),
        )
    assert [line.partition(":")[0] for line in text.splitlines()] == [
        "used",
        "far",
        "path",
        "file",
        "inherited",
    ]
    assert "no such address" in text
    assert "its folder does not exist" in text
    assert "is no socket" in text
    assert "descriptor 987 was not passed" in text
    assert sockets.table == {}


def test_a_missing_right_is_explained(sockets: Sockets, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    assert "CAP_NET_BIND_SERVICE" in reason(sockets, tcp(port=80))
    assert "no right to create a socket" in reason(sockets, Binding("u", unix="/nowhere/x"))


def test_unchanged_sockets_stay_untouched(sockets: Sockets) -> None:
    use(sockets, tcp("a"), tcp("b"), slots=2)
    before = {key: dict(bound.sockets) for key, bound in sockets.table.items()}
    use(sockets, tcp("a", backlog=7), tcp("c"), slots=3)
    after = sockets.table
    (kept,) = before.keys() & after.keys()
    assert {slot: after[kept].sockets[slot] for slot in (0, 1)} == before[kept]
    assert list(after[kept].sockets) == [0, 1, 2]
    assert all(sock.fileno() < 0 for key in before.keys() - {kept} for sock in before[key].values())


def test_a_renamed_listener_keeps_its_sockets(sockets: Sockets) -> None:
    port = free_port()
    use(sockets, tcp("a", port))
    (before,) = sockets.table.values()
    use(sockets, tcp("b", port))
    (after,) = sockets.table.values()
    assert after.binding.name == "b"
    assert after.sockets == before.sockets


def test_fewer_slots_close_nothing(sockets: Sockets) -> None:
    use(sockets, tcp(), slots=3)
    use(sockets, tcp(), slots=1)
    (bound,) = sockets.table.values()
    assert list(bound.sockets) == [0, 1, 2]


def test_an_abandoned_change_closes_only_what_it_bound(sockets: Sockets, tmp_path: Path) -> None:
    path = tmp_path / "new.sock"
    use(sockets, tcp("a"))
    change = sockets.prepare([tcp("a"), tcp("b"), Binding("u", unix=str(path))], 2)
    assert path.exists()
    sockets.abandon(change)
    assert not path.exists()
    (bound,) = sockets.table.values()
    assert bound.sockets[0].fileno() >= 0
    assert all(sock.fileno() < 0 for sock in change.added)


def test_an_address_twice(sockets: Sockets) -> None:
    port = free_port()
    assert "is the address of a already" in reason(sockets, tcp("a", port), tcp("b", port))


def test_a_change_between_overlapping_addresses(sockets: Sockets) -> None:
    use(sockets, tcp("a"))
    port = port_of(sockets, "a")
    assert "needs a restart" in reason(sockets, tcp("a", port, host="0.0.0.0"))


def test_unix_sockets_are_shared_and_removed(sockets: Sockets, tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    use(sockets, Binding("u", unix=str(path), mode=0o600), slots=3)
    (bound,) = sockets.table.values()
    assert list(bound.sockets) == [SHARED]
    assert bound.address == f"unix:{path}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "in use" in reason(Sockets(), Binding("v", unix=str(path)))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    sockets.close_all()
    assert not path.exists()


def test_a_socket_left_by_a_killed_process_is_replaced(sockets: Sockets, tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    use(sockets, Binding("u", unix=str(path)))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_abstract_and_inherited_sockets(sockets: Sockets) -> None:
    name = f"@headgate-test-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as passed:
        use(sockets, Binding("a", unix=name), Binding("i", fd=passed.fileno()))
        assert [bound.address for bound in sockets.table.values()] == [
            f"unix:{name}",
            f"fd:{passed.fileno()}",
        ]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect("\0" + name[1:])


def test_a_descriptor_that_does_not_listen(sockets: Sockets) -> None:
    with socket.socket() as idle:
        assert "is no listening socket" in reason(sockets, Binding("i", fd=idle.fileno()))


def test_accepted_connections_inherit_their_options(sockets: Sockets) -> None:
    use(sockets, tcp(keepalive_idle=33.0))
    (bound,) = sockets.table.values()
    bound.sockets[0].setblocking(True)
    with socket.create_connection(("127.0.0.1", port_of(sockets))):
        accepted, _ = bound.sockets[0].accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 33
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_ipv6(sockets: Sockets) -> None:
    if not socket.has_ipv6 or not Path("/proc/net/if_inet6").read_text():
        assert "IPv6" in reason(sockets, tcp(host="::1"))
        return
    use(sockets, tcp(host="::1"), slots=2)
    assert port_of(sockets)
    (bound,) = sockets.table.values()
    assert bound.address.startswith("[::1]:")
    assert bound.sockets[0].getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
