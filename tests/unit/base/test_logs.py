import re
from collections.abc import Iterator

import pytest

from headgate.base.logs import open_log, set_level


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    log = open_log("", "")
    for handler in log.handlers[:]:
        log.removeHandler(handler)
    log.propagate = True


def test_one_line_a_record(capsys: pytest.CaptureFixture[str]) -> None:
    log = open_log("worker 3", "info")
    log.debug("not shown")
    log.warning("the %s", "text")
    line = capsys.readouterr().err
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning worker 3: the text\n", line)


def test_a_second_opening_does_not_double_lines(capsys: pytest.CaptureFixture[str]) -> None:
    open_log("a", "")
    open_log("b", "error").error("once")
    assert capsys.readouterr().err.count("once") == 1


def test_levels(capsys: pytest.CaptureFixture[str]) -> None:
    log = open_log("a", "nonsense")
    log.debug("no")
    set_level(log, "debug")
    log.debug("yes")
    set_level(log, "error")
    log.warning("no")
    assert [line.rpartition(" ")[2] for line in capsys.readouterr().err.splitlines()] == ["yes"]
