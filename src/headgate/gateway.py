"""`headgate.Gateway`: the configuration from Python, and running it inside the program."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

from headgate import config
from headgate.config.problems import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from pathlib import Path

    from headgate.config.model import Config
    from headgate.single import SingleGateway
    from headgate.spec import Snapshot


class Gateway:
    """A checked configuration. The keywords are the sections of the file, in the same shape.

    Raises ConfigError with every problem. YAML and Python give the same snapshot.
    """

    def __init__(self, model: Config | Mapping[str, Any] | None = None, /, **sections: Any) -> None:
        """Take a model or a mapping of sections, or the sections one by one."""
        if model is not None and sections:
            raise TypeError("give a whole configuration or its sections, not both")
        self._take(config.validate(sections if model is None else model))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The configuration in a file. Raises ConfigError, also when the file cannot be read."""
        gateway = cls.__new__(cls)
        gateway._take(config.load(path))
        return gateway

    def _take(self, loaded: config.Loaded) -> None:
        if loaded.model is None:
            raise ConfigError(loaded.problems)
        self._model = loaded.model
        self._document = loaded.document
        self._warnings = [str(problem) for problem in loaded.problems]
        self.snapshot()

    @property
    def model(self) -> Config:
        """The configuration as a model."""
        return self._model

    def snapshot(self, previous: Snapshot | None = None, version: int = 1) -> Snapshot:
        """The compiled configuration; counters of `previous` are kept by identity."""
        return config.compile(self._model, previous=previous, version=version)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[Running]:
        """Serve inside the running event loop until the block ends; then drain.

        Raises PublishError when an address cannot be bound.
        """
        from headgate.single import SingleGateway

        single = SingleGateway(self._snapshot_and_warnings, "the Gateway")
        await single.start()
        try:
            yield Running(single)
        finally:
            await single.stop(None)

    def _snapshot_and_warnings(self, previous: Snapshot | None, version: int) -> tuple[Snapshot, list[str]]:
        from headgate.controller.loading import equip

        snapshot, found = equip(self.snapshot(previous, version), previous, self._document)
        return snapshot, [*self._warnings, *map(str, found)]


class Running:
    """A gateway that serves."""

    def __init__(self, single: SingleGateway) -> None:
        self._single = single

    @property
    def addresses(self) -> dict[str, str]:
        """Where each listener listens, by name: `127.0.0.1:41033`, `unix:/run/web.sock`."""
        return self._single.addresses

    @property
    def urls(self) -> dict[str, str]:
        """How to reach each TCP listener from this machine, by name: `http://127.0.0.1:41033`, `https://...`."""
        tcp = {name: text for name, text in self.addresses.items() if not text.startswith(("unix:", "fd:"))}
        schemes = self._single.schemes
        return {name: f"{schemes[name]}://{_reachable(text)}" for name, text in tcp.items()}

    @property
    def url(self) -> str:
        """How to reach the first TCP listener. Raises LookupError when it listens on none."""
        return _first(self.urls.values(), "TCP listener")

    @property
    def admin_url(self) -> str:
        """How to reach the first admin address. Raises LookupError when it listens on none."""
        return f"http://{_first(self._single.admin_addresses, 'admin address')}"

    @property
    def active(self) -> int:
        """Exchanges and tunnels that run."""
        return self._single.active

    async def reload(self, gateway: Gateway) -> None:
        """Serve another configuration, without dropping anything.

        Raises PublishError when it cannot be served; then nothing has changed.
        """
        await self._single.reload(gateway._snapshot_and_warnings)


def _first(texts: Iterable[str], what: str) -> str:
    for text in texts:
        return text
    raise LookupError(f"the gateway has no {what}, or serves no more")


def _reachable(address: str) -> str:
    """An address that a client can connect to, for one that listens on all."""
    host, _, port = address.rpartition(":")
    return f"{ {'0.0.0.0': '127.0.0.1', '[::]': '[::1]'}.get(host, host) }:{port}"
