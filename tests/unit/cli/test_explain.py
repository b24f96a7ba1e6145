"""`headgate explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from headgate.cli.explain import command

FILE = """\
listeners:
  web: { bind: 127.0.0.1:8080 }
  other: { bind: 127.0.0.1:8081 }
routes:
  - name: api
    match: { host: api.example.com, path: /v1/*, method: [GET, POST], headers: { x-canary: "yes" } }
    middlewares: [strip]
    services: [{ service: api, weight: 9 }, { service: rest }]
  - name: wide
    match: { host: "*.example.com", path: /v1/*, client: 10.0.0.0/8 }
    service: rest
  - name: item
    match: { path: "~ ^/item/(?P<id>[0-9]+)$" }
    service: rest
  - name: only-other
    listeners: other
    match: { path: /other }
    respond: { status: 418 }
  - name: old
    match: { path: /old, query: { from: { present: true } } }
    redirect: { path: /new }
middlewares:
  strip: { type: strip_prefix, prefix: /v1 }
services:
  api: { endpoints: [127.0.0.1:9001, { address: 127.0.0.1:9002, weight: 3 }] }
  rest: { balance: least_requests, endpoints: [127.0.0.1:9003] }
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "headgate.yaml"
    path.write_text(FILE)
    return path


def explain(file: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "-c", str(file)])


def explained(file: Path, *arguments: str) -> Any:
    result = explain(file, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_the_whole_page(file: Path) -> None:
    shown = explain(file, "GET", "http://api.example.com:8080/v1/../v1/x?a=1", "-H", "X-Canary: yes")
    assert shown.exit_code == 0
    assert shown.output == (
        "GET api.example.com/v1/x?a=1  from 127.0.0.1 on listener web\n"
        "\n"
        "Looked at, in this order:\n"
        f"  ✓ api         takes the request  ({file}:5)\n"
        "\n"
        "Not looked at:\n"
        f"  · wide        an earlier route takes the request  ({file}:9)\n"
        f"  · item        an earlier route takes the request  ({file}:12)\n"
        f"  · only-other  an earlier route takes the request  ({file}:15)\n"
        f"  · old         an earlier route takes the request  ({file}:19)\n"
        "\n"
        "route        api\n"
        "middlewares  strip\n"
        "service      api (round_robin, 9 of 10)\n"
        "  endpoint   127.0.0.1:9001\n"
        "  endpoint   127.0.0.1:9002  weight 3\n"
        "service      rest (least_requests, 1 of 10)\n"
        "  endpoint   127.0.0.1:9003\n"
    )


def test_nothing_takes_it(file: Path) -> None:
    shown = explain(file, "POST", "http://api.example.com/v1/x")
    assert shown.exit_code == 0
    assert '✗ api         header x-canary is not "yes"' in shown.output
    assert "✗ wide        client 127.0.0.1 is not in 10.0.0.0/8" in shown.output
    assert "No route takes it: 404. The nearest was api: header x-canary" in shown.output


@pytest.mark.parametrize(
    ("arguments", "route"),
    [
        (["GET", "/v1/x", "-H", "Host: a.example.com", "--client", "10.1.2.3"], "wide"),
        (["GET", "http://[::1]/item/12"], "item"),
        (["GET", "example.org/item/12"], "item"),
        (["GET", "/item/abc"], None),
        (["GET", "http://x:8081/other"], "only-other"),
        (["GET", "http://x:8080/other"], None),
        (["GET", "http://x/other", "--listener", "other"], "only-other"),
        (["GET", "http://x/old?from=1"], "old"),
        (["GET", "http://x/old"], None),
    ],
)
def test_who_takes_it(file: Path, arguments: list[str], route: str | None) -> None:
    found = explained(file, *arguments)["route"]
    assert (found and found["name"]) == route


def test_captures_of_an_expression(file: Path) -> None:
    assert explained(file, "GET", "http://x/item/12")["captures"] == {"id": "12"}


def test_redirects_and_answers(file: Path) -> None:
    assert "redirect     308\n" in explain(file, "GET", "http://x/old?from=1").output
    assert "respond      418\n" in explain(file, "GET", "http://x:8081/other").output


def test_a_path_that_is_refused(file: Path) -> None:
    shown = explain(file, "GET", "http://x/a%5cb")
    assert shown.exit_code == 0
    assert "the path '/a%5cb' is answered with 400" in shown.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["GET", "http://x/", "--listener", "wbe"], "There is no listener 'wbe'; there is web, other."),
        (["GET", "http://x/", "--client", "nobody"], "nobody"),
        (["GET", "http://x/", "-H", "nonsense"], "write 'Name: value'"),
        (["GET", "http://x:port/"], "is no URL"),
    ],
)
def test_bad_usage(file: Path, arguments: list[str], said: str) -> None:
    shown = explain(file, *arguments)
    assert shown.exit_code == 2
    assert said in shown.output
    assert "Traceback" not in shown.output


def test_a_refused_file(file: Path) -> None:
    file.write_text(FILE.replace("service: rest", "service: rset"))
    shown = explain(file, "GET", "http://x/")
    assert shown.exit_code == 1
    assert 'did you mean "rest"?' in shown.stderr or "rset" in shown.stderr


def test_facts_of_tls(tmp_path: Path) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_text(
        "listeners: { web: { bind: 127.0.0.1:8443, tls: internal } }\n"
        "routes:\n"
        "  - { name: shops, match: { tls: { sni: '~ ^shop', version: TLSv1.3 } }, service: app }\n"
        "  - { name: rest, service: app }\n"
        "services: { app: { endpoints: ['127.0.0.1:9001'] } }\n"
    )
    asked = ("GET", "https://x/", "--tls", "sni=shop.example", "--tls")
    assert explained(file, *asked, "version=TLSv1.3")["route"]["name"] == "shops"
    assert explained(file, *asked, "version=TLSv1.2")["route"]["name"] == "rest"
    wrong = explain(file, *asked, "cypher=x")
    assert wrong.exit_code == 2
    assert "there is no fact cypher; there are: sni, alpn, version" in wrong.output
    assert explain(file, *asked, "sni").exit_code == 2


def test_the_endpoints_of_a_subset(tmp_path: Path) -> None:
    path = tmp_path / "headgate.yaml"
    path.write_text(
        "process: { zone: a }\n"
        "listeners: { web: { bind: 127.0.0.1:8080 } }\n"
        "services:\n"
        "  app:\n"
        "    endpoints:\n"
        "      - { address: 127.0.0.1:1, labels: { version: v2 }, zone: a }\n"
        "      - { address: 127.0.0.1:2, labels: { version: v2 }, zone: b, priority: 1, weight: 2 }\n"
        "      - { address: 127.0.0.1:3, labels: { version: v1 } }\n"
        "routes: [{ name: r, service: app, subset: { version: v2 } }]\n"
    )
    assert explain(path, "GET", "http://a/").output.endswith(
        "service      app (round_robin, version v2)\n"
        "  endpoint   127.0.0.1:1  zone a\n"
        "  endpoint   127.0.0.1:2  weight 2  tier 1  zone b\n"
    )
