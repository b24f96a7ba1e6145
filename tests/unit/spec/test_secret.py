"""What is secret shows nowhere."""

from __future__ import annotations

import json
import logging

import msgspec
import pytest

from headgate import spec
from headgate.spec import Certificate, Secret, ServiceTls

SECRET = Secret("s3cret")
SERVICE = spec.Service(name="s", tls=ServiceTls(certificate=Certificate(chain="public", key=SECRET)))


def test_it_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").error("%s %r", SECRET, SERVICE)
    texts = [str(SECRET), repr(SECRET), f"{SECRET}", repr(SERVICE), repr((SECRET,)), caplog.text]
    assert not any("s3cret" in text for text in texts)
    assert repr(SECRET) == "Secret(...)"
    assert repr(Secret()) == "Secret()"


def test_who_does_not_know_it_cannot_write_it() -> None:
    for write in (msgspec.json.encode, msgspec.msgpack.encode, msgspec.to_builtins):
        with pytest.raises(TypeError):
            write(SERVICE)
    with pytest.raises(TypeError):
        json.dumps(SECRET)


def test_people_see_that_there_is_one() -> None:
    found = spec.shown(SERVICE)["tls"]["certificate"]
    assert found == {"chain": "public", "key": "(hidden)"}
    assert "key" not in spec.shown(Certificate())


def test_it_travels_between_roles() -> None:
    snapshot = spec.Snapshot(services=(SERVICE,))
    assert b"s3cret" in spec.encode(snapshot)
    again = spec.decode(spec.encode(snapshot))
    assert again == snapshot
    assert again.services[0].tls.certificate is not None
    assert again.services[0].tls.certificate.key.text == "s3cret"


def test_it_is_compared_by_what_it_is() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2
    assert not Secret()


def test_something_else_is_no_part_of_a_snapshot() -> None:
    with pytest.raises(spec.SnapshotError):
        spec.decode(msgspec.msgpack.encode({"services": [{"name": "s", "tls": {"certificate": {"key": 1}}}]}))
