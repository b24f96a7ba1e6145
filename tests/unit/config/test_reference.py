"""The configuration reference."""

from __future__ import annotations

from headgate.base.limits import LIMITS
from headgate.config.model import Config
from headgate.config.reference import limits_markdown, markdown

PAGE = markdown()


def test_every_section_and_key_is_there() -> None:
    for name in Config.model_fields:
        assert f"| `{name}` |" in PAGE
    for section in (
        "`process`",
        "`admin`",
        "`forwarding`",
        "`access_log`",
        "`paths`",
        "`limits`",
        "`timeouts`",
        "`buffering`",
        "`pool`",
        "`listeners.NAME`",
        "`http2`",
        "`listeners.NAME.socket`",
        "`listeners.NAME.tls`",
        "`listeners.NAME.tls.certificates[]`",
        "`listeners.NAME.tls.client_certificates`",
        "`listeners.NAME.tls.sites.NAME`",
        "`listeners.NAME.tls.sites.NAME.certificates[]`",
        "`listeners.NAME.tls.sites.NAME.client_certificates`",
        "`listeners.NAME.http2`",
        "`listeners.NAME.proxy_protocol`",
        "`listeners.NAME.https_redirect`",
        "`listeners.NAME.hsts`",
        "`routes[]`",
        "`routes[].match`",
        "`routes[].services[]`",
        "`routes[].redirect`",
        "`routes[].respond`",
        "`routes[].retry`",
        "`routes[].retry.backoff`",
        "`routes[].hedge`",
        "`middlewares.NAME (type: strip_prefix)`",
        "`middlewares.NAME (type: add_prefix)`",
        "`services.NAME`",
        "`services.NAME.endpoints[]`",
        "`services.NAME.pool`",
        "`services.NAME.tls`",
        "`services.NAME.proxy_protocol`",
        "`services.NAME.retry_budget`",
    ):
        assert PAGE.count(f"\n## {section}\n") == 1


def test_rows() -> None:
    rows = PAGE.splitlines()
    assert any(
        row.startswith(
            "| `head` | duration | `10s` | Time to receive the whole head of a request, from its first"
        )
        for row in rows
    )
    assert any(row.startswith("| `workers` | `auto` or number from 1 to 64 | `auto` |") for row in rows)
    assert any(
        row.startswith("| `from` | range or `unix` or list of range or `unix` | required |") for row in rows
    )
    assert any(row.startswith("| `strict_sni` | `on`, `off` | `off` |") for row in rows)
    assert any(row.startswith("| `min_version` | `1.2`, `1.3` | `1.2` |") for row in rows)
    assert any(row.startswith("| `depth` | number from 0 to 20 | `1` |") for row in rows)
    assert any(row.startswith("| `bind` | address | required |") for row in rows)
    assert any(row.startswith("| `endpoints` | list of section below | required |") for row in rows)
    assert any(row.startswith("| `host` | host or list of host |") for row in rows)


def test_tables_are_whole() -> None:
    for page in (PAGE, limits_markdown()):
        for row in page.splitlines():
            if row.startswith("|"):
                assert row.replace("\\|", "").count("|") in (5, 7)


def test_the_table_of_limits() -> None:
    for limit in LIMITS:
        assert f"| `{limit.name}` | {limit.default_text} |" in PAGE
        assert f"| `{limit.name}` | {limit.default_text} |" in limits_markdown()


def test_it_is_the_same_each_time() -> None:
    assert markdown() == PAGE
