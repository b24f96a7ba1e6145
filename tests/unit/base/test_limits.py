"""The table of limits, and that the compiled configuration has the same defaults."""

from __future__ import annotations

import msgspec
import pytest

from headgate import spec
from headgate.base.limits import BY_NAME, LIMITS, Limit, table


def ids(limit: Limit) -> str:
    return limit.name


@pytest.mark.parametrize("limit", LIMITS, ids=ids)
def test_spec_has_the_same_default(limit: Limit) -> None:
    struct, _, field = limit.field.partition(".")
    assert getattr(getattr(spec, struct)(), field) == limit.default


@pytest.mark.parametrize("name", ["ListenerLimits", "RouteLimits", "Pool"])
def test_every_limit_of_spec_is_in_the_table(name: str) -> None:
    fields = {f"{name}.{field.name}" for field in msgspec.structs.fields(getattr(spec, name))}
    assert fields == {limit.field for limit in LIMITS if limit.field.startswith(f"{name}.")}


@pytest.mark.parametrize("limit", LIMITS, ids=ids)
def test_each_says_why(limit: Limit) -> None:
    assert limit.what
    assert limit.reason
    assert limit.precedent
    assert "global" in limit.scopes or limit.name == "proxy_protocol.timeout"
    if not limit.default:
        assert limit.off or limit.name == "process.pre_stop_delay"


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(LIMITS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("timeouts.head", "10s"),
        ("limits.head_size", "32KiB"),
        ("limits.head_fields", "100"),
        ("limits.body_size", "off"),
        ("limits.minimum_rate", "240B/s"),
        ("pool.idle_timeout", "4s"),
        ("timeouts.tunnel_idle", "1h"),
        ("process.pre_stop_delay", "0s"),
    ],
)
def test_defaults_as_people_write_them(name: str, text: str) -> None:
    assert BY_NAME[name].default_text == text


def test_the_table_has_a_row_for_each() -> None:
    rows = table().splitlines()[2:]
    assert len(rows) == len(LIMITS)
    assert rows[0].startswith("| `timeouts.head` | 10s | global, listener | Time to receive the whole head")
