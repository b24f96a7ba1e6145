"""What the documents name exists: files, pages, tests, make targets and commands."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from headgate import config
from headgate.cli.commands import COMMANDS
from headgate.cli.explain import command as explain

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = {ROOT / "docs" / "configuration.md"}  # by `make docs`

LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")
PATH = re.compile(r"`((?:src|tests|docs|benchmarks|\.ci)/[\w./-]*?[\w/])(?:::(\w+))?`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        file = (page.parent / target).resolve()
        assert file.exists() or file in GENERATED, f"{ids(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_files_and_tests_named_exist(page: Path) -> None:
    for name, test in PATH.findall(page.read_text()):
        assert (ROOT / name).exists() or ROOT / name in GENERATED, f"{ids(page)} names {name}"
        if test:
            assert test in names(ROOT / name), f"{ids(page)} names {test} of {name}"


def names(file: Path) -> set[str]:
    """All functions and classes of a Python file."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, kinds)}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_make_targets_and_commands_exist(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)) <= targets
    assert set(re.findall(r"(?:`|^\$ |^)headgate ([a-z]+)\b", text, re.MULTILINE)) <= set(COMMANDS)


def test_the_example_of_retries_is_one() -> None:
    found = re.search(
        r"^```yaml\n(.*?)^```", (ROOT / "docs/retries.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert found
    assert not config.load("headgate.yaml", text=found[1], environ={}).problems


EXAMPLES = [
    pytest.param(text, id=f"{page.stem}-{number}")
    for page in sorted((ROOT / "docs" / "middlewares").glob("*.md"))
    for number, text in enumerate(
        re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    )
    if "listeners:" in text
]


# Files that examples name.
NAMED = {
    "keys.txt": f"build sha256:{'0a' * 32}\n",
    "users.htpasswd": "ann:$2b$12$GhvMmNVjRW29ulnudl.LbuAnUtN/LRfe1JsBm1Xu6LE3059z5Tr8m\n",
    "offices.txt": "192.0.2.0/24\n",
    "partner.key": "a long and random text\n",
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_of_middlewares_are_whole_and_valid(text: str, tmp_path: Path) -> None:
    for name, content in NAMED.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o600)
    loaded = config.load(tmp_path / "headgate.yaml", text=text, environ={"REDIS_PASSWORD": "secret"})
    assert loaded.problems == []
    assert loaded.model is not None
    assert config.compile(loaded.model).middlewares


def test_every_page_is_in_the_navigation() -> None:
    navigation = re.findall(
        r"[\w./-]+\.md", yaml.safe_dump(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"])
    )
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").glob("*.md")} | {
        "configuration.md"
    }
    assert pages <= set(navigation)
    assert all((ROOT / "docs" / page).exists() or page == "configuration.md" for page in navigation)


def test_the_configuration_of_the_readme() -> None:
    """It is valid, and `explain` shows what the README shows."""
    text = (ROOT / "README.md").read_text()
    found = re.search(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found
    loaded = config.load("headgate.yaml", text=found[1], environ={})
    assert loaded.problems == []
    asked = re.search(r"^\$ headgate explain (.*)\n((?:.|\n)*?)^```", text, re.MULTILINE)
    assert asked
    arguments = asked[1].replace("headgate.yaml", "-").split()
    shown = CliRunner().invoke(explain, arguments, input=found[1])
    assert shown.output.replace("(stdin:", "(headgate.yaml:") == asked[2]
