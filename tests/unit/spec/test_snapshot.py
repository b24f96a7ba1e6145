"""Snapshots as bytes between roles."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate import spec

SNAPSHOT = spec.Snapshot(
    version=7,
    process=spec.Process(workers=2, admin=(spec.Address(host="127.0.0.1", port=9080),)),
    access_log=spec.AccessLog(format="template", template="{client}"),
    listeners=(spec.Listener(name="web", address=spec.Address(host="0.0.0.0", port=80), metric=1),),
    routes=(
        spec.Route(
            name="api",
            match=spec.Match(hosts=("a.example",), path=(spec.PathMatch(kind="prefix", value="/v1"),)),
            middlewares=("s",),
            services=(spec.ServiceShare(service="api"),),
            metric=2,
        ),
        spec.Route(name="old", redirect=spec.Redirect(path="/new", query=""), metric=3),
    ),
    services=(
        spec.Service(
            name="api",
            metric=4,
            endpoints=(
                spec.Endpoint(name="[::1]:80", addresses=(spec.Address(host="::1", port=80),), metric=5),
            ),
        ),
    ),
    metrics=spec.Metrics(blocks={"listener:web": 1}, next=6),
)


def test_a_snapshot_is_the_same_after_the_way() -> None:
    data = spec.encode(SNAPSHOT)
    assert spec.decode(data) == SNAPSHOT
    assert spec.decode(memoryview(data)) == SNAPSHOT


def test_defaults_cost_no_bytes() -> None:
    default, another = spec.Route(name="a"), spec.Route(name="a", priority=1)
    sizes = [len(spec.encode(spec.Snapshot(routes=(route,)))) for route in (default, another)]
    assert sizes[0] < sizes[1]


def test_the_format_is_always_written() -> None:
    assert msgspec.msgpack.decode(spec.encode(SNAPSHOT))["format"] == spec.FORMAT


def test_another_format_is_refused() -> None:
    data = spec.encode(msgspec.structs.replace(SNAPSHOT, format=spec.FORMAT + 1))
    with pytest.raises(spec.SnapshotError) as error:
        spec.decode(data)
    assert str(error.value) == f"snapshot has format {spec.FORMAT + 1}, this version reads {spec.FORMAT}"


def test_a_snapshot_never_changes() -> None:
    with pytest.raises(AttributeError):
        SNAPSHOT.version = 8  # type: ignore[misc]


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(data: bytes) -> None:
    with suppress(spec.SnapshotError):
        assert isinstance(spec.decode(data), spec.Snapshot)


@given(st.data())
def test_damaged_bytes_are_refused_or_are_a_snapshot(data: st.DataObject) -> None:
    whole = bytearray(spec.encode(SNAPSHOT))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(spec.SnapshotError):
        assert isinstance(spec.decode(bytes(whole)), spec.Snapshot)
