from pathlib import Path

import pytest

from headgate.controller.bindings import publication
from headgate.controller.loading import LoadError, Provider, load_snapshot
from headgate.supervisor.sockets import Binding

TEXT = """
process: { workers: 3, drain_timeout: 7s, pre_stop_delay: 2s }
admin: { bind: ["127.0.0.1:9080", "unix:/run/admin.sock"] }
listeners: { web: { bind: "[::1]:8080" } }
routes: [{ name: all, service: app }]
services: { app: { endpoints: ["app.internal:80"] } }
"""


def test_a_file_becomes_a_snapshot(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(TEXT)
    snapshot, warnings = load_snapshot(Provider(str(file)), None, 1)
    assert (snapshot.version, snapshot.process.workers, warnings) == (1, 3, [])
    again, _ = load_snapshot(Provider(str(file), workers=5), snapshot, 2)
    assert (again.version, again.process.workers) == (2, 5)
    assert again.metrics == snapshot.metrics


def test_a_text_needs_no_file() -> None:
    snapshot, _ = load_snapshot(Provider(None, TEXT.encode()), None, 1)
    assert snapshot.services[0].endpoints[0].addresses[0].host == "app.internal"


def test_all_problems_at_once(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(TEXT.replace("service: app", "service: ap").replace("7s", "7 parsecs"))
    with pytest.raises(LoadError) as raised:
        load_snapshot(Provider(str(file)), None, 1)
    assert len(raised.value.problems) == 2
    assert all(problem.startswith(f"{file}:") for problem in raised.value.problems)
    assert raised.value.code == 1


def test_an_unreadable_file_is_the_environments_fault(tmp_path: Path) -> None:
    with pytest.raises(LoadError) as raised:
        load_snapshot(Provider(str(tmp_path / "missing.yaml")), None, 1)
    assert raised.value.code == 2
    assert "missing.yaml" in str(raised.value)


def test_the_supervisor_understands_what_it_is_told() -> None:
    snapshot, _ = load_snapshot(Provider(None, TEXT.encode()), None, 1)
    body = publication(snapshot, "digest", "headgate 1", "a.yaml")
    web, *admin = [Binding.of(fields) for fields in body["bindings"]]
    assert (web.name, web.address, web.admin) == ("web", "[::1]:8080", False)
    assert [(binding.address, binding.admin) for binding in admin] == [
        ("127.0.0.1:9080", True),
        ("unix:/run/admin.sock", True),
    ]
    assert (body["drain_timeout"], body["pre_stop_delay"], body["workers"]) == (7.0, 2.0, 3)
