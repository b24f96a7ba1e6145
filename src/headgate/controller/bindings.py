"""What the supervisor must do for a snapshot, said in the plain terms that it understands."""

from __future__ import annotations

from typing import Any

from headgate.spec import Address, Snapshot, SocketOptions


def publication(snapshot: Snapshot, digest: str, product: str, provider: str) -> dict[str, Any]:
    """The body of the message `publish`."""
    process = snapshot.process
    listeners = [
        _binding(listener.name, listener.address, listener.socket)
        | {"scheme": "http" if listener.tls is None else "https"}
        for listener in snapshot.listeners
    ]
    # The admin address takes few connections, and whoever may connect to a unix socket may ask.
    admin = [
        _binding("admin", address, SocketOptions(backlog=128, mode=0o660)) | {"admin": True}
        for address in process.admin
    ]
    return {
        "version": snapshot.version,
        "digest": digest,
        "workers": process.workers,
        "bindings": listeners + admin,
        "drain_timeout": process.drain_timeout,
        "pre_stop_delay": process.pre_stop_delay,
        "user": process.user,
        "group": process.group,
        "product": product,
        "provider": provider,
    }


def _binding(name: str, address: Address, options: SocketOptions) -> dict[str, Any]:
    return {
        "name": name,
        "host": address.host,
        "port": address.port,
        "unix": address.unix,
        "fd": address.fd,
        "backlog": options.backlog,
        "keepalive": options.keepalive,
        "keepalive_idle": options.keepalive_idle,
        "nodelay": options.nodelay,
        "v6only": options.v6only,
        "mode": options.mode,
    }
