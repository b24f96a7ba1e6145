import pytest

from headgate.controller.status import Status
from headgate.observe.families import ROLES


@pytest.mark.parametrize(
    ("version", "wanted", "serving", "stopping", "ready"),
    [
        (1, 2, 2, False, True),
        (1, 2, 1, False, False),
        (0, 0, 0, False, False),
        (1, 0, 0, False, False),
        (1, 2, 2, True, False),
        (1, 1, 2, False, True),
    ],
)
def test_ready(version: int, wanted: int, serving: int, stopping: bool, ready: bool) -> None:
    assert Status(version=version, wanted=wanted, serving=serving, stopping=stopping).ready is ready


def test_the_last_reload_counts() -> None:
    status = Status()
    status.accepted()
    status.refused(["no"])
    roles = status.roles()
    assert (roles["reloads_total"], roles["reload_failures_total"], roles["reload_last_success"]) == (1, 1, 0)
    status.accepted()
    assert status.roles()["reload_last_success"] == 1
    assert "refused" not in status.text()


def test_every_family_of_the_roles_has_a_value() -> None:
    known = {family.name + ("_total" if family.type == "counter" else "") for family in ROLES}
    assert known - {"resolver_failures_total"} == set(Status().roles())
