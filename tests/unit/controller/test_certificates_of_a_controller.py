"""What a controller does with certificates: at start, at a reload, when files change, after another one."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from headgate.controller.controller import Controller, PublishError
from headgate.controller.loading import LoadError, Provider, load_snapshot
from headgate.shm import region
from headgate.spec import Certificate, Endpoint, Snapshot
from support.certificates import Authority, Pair

AUTHORITY = Authority()
FILE = """\
process: { workers: 1 }
listeners:
  secure:
    bind: 127.0.0.1:8443
    tls:
      certificates:
        - { cert: a.crt, key: a.key }
        - { cert: b.crt, key: b.key }
routes: [{ name: r, service: s }]
services: { s: { endpoints: ["127.0.0.1:1"] } }
"""
MISMATCH = "b.key does not belong to b.crt"
PLACE = "headgate.yaml:8:11"
SUBJECT = "listeners.secure.tls.certificates[1]"


class Kept:
    """A publisher that keeps what it gets, or refuses it."""

    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []
        self.reasons: list[str] = []

    async def publish(self, snapshot: Snapshot) -> None:
        if self.reasons:
            raise PublishError(self.reasons)
        self.snapshots.append(snapshot)

    def replace(self, snapshot: Snapshot, services: Mapping[str, tuple[Endpoint, ...]]) -> None:
        raise AssertionError(f"no name is in {snapshot} and {services}")

    async def ask(self, what: str, of: str) -> list[Any]:
        raise AssertionError(f"nobody wants to know the {what} of {of}")


class Stage:
    """A controller of a file in the working directory."""

    def __init__(self, memory: region.Region) -> None:
        self.memory = memory
        self.publisher = Kept()
        self.controller = self.another()

    def another(self) -> Controller:
        load = partial(load_snapshot, Provider("headgate.yaml"))
        log = logging.getLogger("headgate.test")
        return Controller(log, self.publisher, load, "headgate.yaml", self.memory)

    async def look(self) -> None:
        """Have the files looked at, as it happens every few seconds, until they have settled."""
        watch = self.controller._watch
        assert watch is not None
        await watch.look()
        await watch.look()

    @property
    def versions(self) -> list[int]:
        return [snapshot.version for snapshot in self.publisher.snapshots]

    @property
    def served(self) -> tuple[Certificate, ...]:
        tls = self.publisher.snapshots[-1].listeners[0].tls
        assert tls is not None
        return tls.sites[0].certificates


def configure(text: str) -> None:
    Path("headgate.yaml").write_text(text)


def write(pair: Pair, name: str, key: str = "") -> None:
    Path(f"{name}.crt").write_text(pair.chain)
    Path(f"{name}.key").write_text(key or pair.key_pem)
    Path(f"{name}.key").chmod(0o600)
    for file in (f"{name}.crt", f"{name}.key"):  # as if it was long ago
        os.utime(file, (1, 1))


A, B = AUTHORITY.issue("a.example"), AUTHORITY.issue("b.example")


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Stage]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("headgate.controller.controller.set_level", lambda *_: None)
    caplog.set_level(logging.INFO)
    configure(FILE)
    write(A, "a")
    write(B, "b")
    fd = region.create()
    stage = Stage(region.Region(fd))
    yield stage
    os.close(fd)


def lines(said: pytest.LogCaptureFixture) -> list[str]:
    """What was said since this was last asked."""
    texts = [f"{record.levelname.lower()}: {record.getMessage()}" for record in said.records]
    said.clear()
    return texts


async def test_at_start(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    await stage.controller.start()
    assert [each.names for each in stage.served] == [("a.example",), ("b.example",)]
    assert lines(caplog) == []
    await stage.controller.close()


async def test_a_broken_pair_at_start(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    write(B, "b", key=A.key_pem)
    await stage.controller.start()
    assert [each.broken for each in stage.served] == ["", MISMATCH]
    assert lines(caplog) == [f"warning: {PLACE}: error: {SUBJECT}: {MISMATCH}"]
    await stage.look()
    assert stage.versions == [1]
    write(B, "b")
    await stage.look()
    assert [each.broken for each in stage.served] == ["", ""]
    assert lines(caplog)[-1] == "info: certificates changed: snapshot 2 is served by all workers"
    await stage.controller.close()


async def test_files_that_change(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    await stage.controller.start()
    await stage.look()
    assert stage.versions == [1]
    renewed = AUTHORITY.issue("b.example")
    write(renewed, "b")
    await stage.look()
    assert stage.versions == [1, 2]
    assert [each.chain for each in stage.served] == [A.chain, renewed.chain]
    assert lines(caplog) == ["info: certificates changed: snapshot 2 is served by all workers"]
    assert (stage.controller.status.reloads, stage.controller.served) == (1, stage.publisher.snapshots[-1])
    await stage.controller.reload()
    assert stage.versions == [1, 2, 3]
    await stage.controller.close()


async def test_files_that_change_to_something_broken(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    await stage.controller.start()
    write(B, "b", key=A.key_pem)
    await stage.look()
    assert stage.versions == [1]
    assert lines(caplog) == [f"warning: {SUBJECT}: {MISMATCH}; what was read before is served on"]
    write(AUTHORITY.issue("b.example"), "b", key=A.key_pem)
    await stage.look()
    assert lines(caplog) == []  # it was said already
    write(B, "b")
    await stage.look()
    assert stage.versions == [1]  # as before
    await stage.controller.close()


async def test_a_reload_while_a_pair_is_broken(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    await stage.controller.start()
    write(B, "b", key=A.key_pem)
    await stage.controller.reload()
    assert stage.versions == [1, 2]
    assert stage.served[1].chain == B.chain
    assert lines(caplog) == [
        f"warning: {PLACE}: warning: {SUBJECT}: {MISMATCH}; what was read before is served on",
        "info: headgate.yaml is loaded: snapshot 2 is served by all workers",
    ]
    await stage.controller.close()


async def test_a_reload_with_a_new_broken_pair(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    await stage.controller.start()
    write(B, "c", key=A.key_pem)
    configure(FILE.replace("b.crt", "c.crt").replace("b.key", "c.key"))
    with pytest.raises(LoadError):
        await stage.controller.reload()
    assert stage.versions == [1]
    assert lines(caplog) == [
        "error: the configuration is refused, snapshot 1 is served on:",
        f"error: {PLACE}: error: {SUBJECT}: c.key does not belong to c.crt",
    ]
    await stage.controller.close()


async def test_workers_that_refuse_new_certificates(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    await stage.controller.start()
    stage.publisher.reasons = ["worker 0: no"]
    write(AUTHORITY.issue("b.example"), "b")
    await stage.look()
    assert lines(caplog) == [
        "error: certificates changed, and are refused; those from before are served on:",
        "warning: worker 0: no",
    ]
    await stage.look()
    assert lines(caplog) == []
    await stage.controller.close()


async def test_a_controller_that_takes_over(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """It serves on what is served, and notices what changed while there was none."""
    await stage.controller.start()
    await stage.controller.close()
    write(AUTHORITY.issue("b.example"), "b", key=A.key_pem)
    served = stage.publisher.snapshots[-1]
    stage.controller = stage.another()
    stage.controller.resume(served)
    assert lines(caplog) == []
    await stage.look()
    assert stage.versions == [1]
    assert lines(caplog) == [f"warning: {SUBJECT}: {MISMATCH}; what was read before is served on"]
    renewed = AUTHORITY.issue("b.example")
    write(renewed, "b")
    await stage.look()
    assert stage.versions == [1, 2]
    assert stage.served[1].chain == renewed.chain
    await stage.controller.close()


async def test_internal_certificates_outlive_a_controller(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HEADGATE_STATE", str(tmp_path / "state"))
    configure(
        "listeners: { secure: { bind: 127.0.0.1:8443, tls: internal } }\n"
        "routes: [{ name: r, service: s }]\nservices: { s: { endpoints: ['127.0.0.1:1'] } }\n"
    )
    await stage.controller.start()
    await stage.controller.close()
    served = stage.publisher.snapshots[-1]
    stage.controller = stage.another()
    stage.controller.resume(served)
    await stage.look()
    assert stage.versions == [1]
    assert lines(caplog) == []
    await stage.controller.reload()
    assert stage.served == served.listeners[0].tls.sites[0].certificates if served.listeners[0].tls else False
    await stage.controller.close()
