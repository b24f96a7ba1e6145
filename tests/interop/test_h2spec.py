"""h2spec (https://github.com/summerwind/h2spec): RFC 9113's predecessor and RFC 7541, case by case."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from support import proxying
from support.commands import outcome
from support.edge import Certificates, Edge

SECTIONS = ["generic", "http2", "hpack"]
CASES = 146
PATH = "/after/h2spec"  # an answer before the body could go out before what is wrong with the body comes
# In clear, what does not begin as HTTP/2 is HTTP/1.1, and is answered as such.
OTHERWISE = ["http2/3.5: Sends invalid connection preface: Connection closed\nError: unexpected EOF"]


@pytest.fixture(scope="module")
def edge(origin: str, certificates: Certificates) -> Iterator[Edge]:
    with Edge(proxying(origin), certificates) as edge:
        yield edge


def played(report: Path) -> tuple[int, list[str]]:
    """How many cases a report has, and what went wrong in which."""
    cases = list(ET.parse(report).iter("testcase"))
    wrong = [
        f"{case.get('package')}: {case.get('classname')}: {'; '.join(problem.itertext()).strip()}"
        for case in cases
        for kind in ("failure", "error", "skipped")
        for problem in case.iter(kind)
    ]
    return len(cases), wrong


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "cleartext"])
def test_every_case(edge: Edge, tmp_path: Path, tls: bool) -> None:
    report = tmp_path / "report.xml"
    port = ["--tls", "--insecure", "--port", str(edge.secure_port)] if tls else ["--port", str(edge.port)]
    where = ["--host", "localhost", *port, "--path", PATH, "--junit-report"]
    done = outcome(["h2spec", "--strict", *SECTIONS, *where, report])
    assert report.exists(), done
    assert played(report) == (CASES, [] if tls else OTHERWISE)
