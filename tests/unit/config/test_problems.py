"""How problems are shown."""

from __future__ import annotations

import json

from headgate.config.problems import ConfigError, Problem, dotted, nearest, quoted


def test_for_people() -> None:
    assert str(Problem(message="wrong")) == "error: wrong"
    assert str(Problem(file="a.yaml", message="wrong", hint="right")) == "a.yaml: error: wrong\n    right"
    problem = Problem(
        severity="warning", file="a", line=1, column=2, path="b.c", value="d", message="odd", hint="e"
    )
    assert str(problem) == "a:1:2: warning: b.c: odd\n    e"


def test_for_machines() -> None:
    problem = Problem(file="a", line=1, column=2, path="b", value="c", message="d", hint="e")
    assert json.loads(json.dumps(problem.as_dict())) == {
        "severity": "error",
        "file": "a",
        "line": 1,
        "column": 2,
        "path": "b",
        "value": "c",
        "message": "d",
        "hint": "e",
    }


def test_several() -> None:
    error = ConfigError([Problem(message="a"), Problem(message="b")])
    assert str(error) == "error: a\nerror: b"
    assert len(error.problems) == 2


def test_paths() -> None:
    assert dotted(["routes", 2, "match", "path"]) == "routes[2].match.path"
    assert dotted(["services", "a b", "x-y", "a.b"]) == 'services["a b"].x-y["a.b"]'
    assert dotted([]) == ""


def test_values() -> None:
    assert quoted("a") == '"a"'
    assert quoted('a"b\\c\n') == '"a\\"b\\\\c\\x0a"'
    assert quoted("x" * 100) == '"' + "x" * 57 + '..."'


def test_the_nearest_word() -> None:
    assert nearest("lisners", ["listeners", "routes"]) == 'did you mean "listeners"?'
    assert nearest("LISTENERS", ["listeners", "routes"]) == 'did you mean "listeners"?'
    assert nearest("zzz", ["b", "a"]) == "known here: a, b"
    assert nearest("zzz", ["b", "a"], otherwise=False) == ""
    assert nearest("zzz", []) == ""
    assert nearest("zzz", [f"name{i:02}" for i in range(30)]) == (
        "there are 30, such as name00, name01, name02, name03, name04"
    )
