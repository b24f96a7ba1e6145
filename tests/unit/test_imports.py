"""The import rules of docs/architecture.md, read from the sources and seen in real processes."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import headgate

SOURCE = Path(headgate.__file__).parent

# What each room may import: rooms of headgate, then third parties. cli and testing may import everything.
RULES: dict[str, tuple[set[str], set[str]]] = {
    "base": (set(), set()),
    "core": ({"base"}, {"re2", "cpython", "libc", "cython"}),
    "spec": ({"base"}, {"msgspec"}),
    "ipc": ({"base"}, set()),
    "shm": ({"base"}, set()),
    "middleware": ({"core", "spec", "shm", "base"}, {"msgspec", "cpython", "libc", "cython"}),
    "proxy": (
        {"middleware", "core", "spec", "shm", "base"},
        {"msgspec", "uvloop", "cpython", "libc", "cython"},
    ),
    "worker": ({"proxy", "ipc", "observe.sinks", "spec", "shm", "core", "base"}, {"uvloop"}),
    "supervisor": ({"ipc", "shm", "base"}, set()),
    "config": ({"middleware", "spec", "shm", "core", "base"}, {"pydantic", "pydantic_core", "yaml", "re2"}),
    "observe": ({"middleware", "core", "spec", "shm", "base"}, {"cpython", "libc", "cython"}),
    "controller": (
        {"config", "middleware", "observe", "ipc", "spec", "shm", "core", "base"},
        {"aiodns", "cryptography", "msgspec", "pycares", "starlette", "uvicorn", "uvloop"},
    ),
}

# What single files import on top, inside functions and only where a configuration asks for it: a worker reads
# the certificates of clients when a listener passes on who they are.
ON_DEMAND = {"proxy/identity.py": {"cryptography"}}

# Third parties that must never be loaded into the role, whatever it imports.
FOREIGN = {
    "worker": {
        "pydantic",
        "pydantic_core",
        "yaml",
        "click",
        "starlette",
        "uvicorn",
        "aiodns",
        "cryptography",
    },
    "supervisor": {
        "pydantic",
        "pydantic_core",
        "yaml",
        "starlette",
        "uvicorn",
        "aiodns",
        "cryptography",
        "re2",
        "msgspec",
        "uvloop",
    },
}

CYTHON_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+c?import\b|c?import\s+([\w.]+))", re.MULTILINE)


def imports_of_python(node: ast.AST) -> Iterator[str]:
    """Full names of what Python code imports, wherever in the file, but not what only types need."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        for other in node.orelse:
            yield from imports_of_python(other)
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "a relative import hides which room is meant"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imports_of_python(child)


def imports_of(file: Path) -> set[str]:
    text = file.read_text()
    if file.suffix == ".py":
        return set(imports_of_python(ast.parse(text)))
    return {first or second for first, second in CYTHON_IMPORT.findall(text)}


def sources() -> list[Path]:
    return sorted(file for file in SOURCE.rglob("*") if file.suffix in {".py", ".pyx", ".pxd"})


def allowed(name: str, room: str) -> bool:
    """Whether a file of `room` may import the module (or attribute) called `name`."""
    rooms, libraries = RULES[room]
    top, _, rest = name.partition(".")
    if top != "headgate":
        return top in sys.stdlib_module_names or top in libraries
    return any(rest == other or rest.startswith(f"{other}.") for other in rooms | {room})


@pytest.mark.parametrize("file", sources(), ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_point_downwards(file: Path) -> None:
    room = file.relative_to(SOURCE).parts[0]
    on_demand = ON_DEMAND.get(str(file.relative_to(SOURCE)), set())
    if room in RULES:
        names = {name for name in imports_of(file) if name.partition(".")[0] not in on_demand}
        wrong = sorted(name for name in names if not allowed(name, room))
        assert not wrong, f"{room} may not import {', '.join(wrong)}; see docs/architecture.md"


def test_every_room_has_a_rule() -> None:
    rooms = {folder.name for folder in SOURCE.iterdir() if (folder / "__init__.py").exists()}
    assert rooms - {"cli", "testing"} == set(RULES)


def test_the_rules_are_those_of_the_architecture() -> None:
    table = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text()
    assert set(RULES) <= set(re.findall(r"`(\w+)/`", table))


@pytest.mark.parametrize("role", FOREIGN)
def test_a_role_loads_nothing_foreign(role: str) -> None:
    modules = [
        ".".join(file.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        for file in sorted((SOURCE / role).rglob("*.py"))
        if file.stem != "__main__"
    ]
    program = f"import json, sys, {', '.join(modules)}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & FOREIGN[role]


def test_a_controller_without_tls_loads_nothing_for_it() -> None:
    program = "import sys, headgate.controller.process; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert not {"cryptography", "headgate.controller.certificates"} & set(done.stdout.split())


def test_the_package_itself_loads_nothing() -> None:
    program = (
        "import sys, headgate; print(*sorted(name for name in sys.modules if name.startswith('headgate')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.split() == ["headgate"]
