"""Loading files, texts and Python data."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.config import Loaded, Problem, load, validate
from headgate.config.model import Config
from support.configurations import EVERYTHING, GOOD


def model_of(loaded: Loaded) -> Config:
    assert loaded.problems == []
    assert loaded.model is not None
    return loaded.model


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_text(GOOD)
    model = model_of(load(file, environ={}))
    assert model.routes[0].where == f"{file}:2"
    assert model == model_of(load(str(file), environ={}))
    assert model == model_of(load(environ={"HEADGATE_CONFIG": str(file)}))


def test_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    model_of(load(file, environ={}))


def test_a_text_without_a_file() -> None:
    assert model_of(load(text=GOOD, environ={})).routes[0].where == "line 2"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"a: \xe4\n")
    cases = {
        str(tmp_path / "none.yaml"): ("the file cannot be read: No such file or directory", ""),
        str(tmp_path): ("the file cannot be read: Is a directory", ""),
        str(latin): ("byte 3 of the file is not UTF-8", "save it as UTF-8"),
    }
    for file, (message, hint) in cases.items():
        loaded = load(file, environ={})
        assert loaded.problems == [Problem(file=file, message=message, hint=hint)]
        assert loaded.model is None
        assert not loaded.readable
    assert load("a\0b", environ={}).problems[0].message == "no file has such a name"


def test_no_file() -> None:
    loaded = load(environ={})
    assert str(loaded.problems[0]) == "error: no file is named\n    name one, or set HEADGATE_CONFIG"
    assert not loaded.readable


def test_everything_can_be_said() -> None:
    model_of(load(text=EVERYTHING, environ={}))


def test_the_number_of_workers_from_the_environment() -> None:
    assert model_of(load(text=GOOD, environ={"HEADGATE_WORKERS": "3"})).process.workers == 3
    assert model_of(load(text=EVERYTHING, environ={"HEADGATE_WORKERS": "auto"})).process.workers == "auto"
    assert model_of(load(text=EVERYTHING, environ={"HEADGATE_WORKERS": ""})).process.workers == 2


def test_the_level_of_the_log_from_the_environment() -> None:
    assert model_of(load(text=GOOD, environ={"HEADGATE_LOG": "error"})).process.log_level == "error"


@pytest.mark.parametrize("workers", ["0", "65", "-1", "many", "1.5", "\u0663", "9" * 5000])
def test_a_wrong_number_of_workers_in_the_environment(workers: str) -> None:
    loaded = load(text=GOOD, environ={"HEADGATE_WORKERS": workers})
    assert loaded.model is None
    assert loaded.problems[0].path == "HEADGATE_WORKERS"
    assert loaded.problems[0].hint == "write auto, or a number from 1 to 64"


def test_a_wrong_level_in_the_environment() -> None:
    loaded = load(text=GOOD, environ={"HEADGATE_LOG": "loud"})
    assert str(loaded.problems[0]) == (
        'error: HEADGATE_LOG: "loud" is no level of the log\n    write one of debug, info, warning, error'
    )


def test_numbers_and_switches_from_variables() -> None:
    text = (
        GOOD
        + "process: { workers: '${WORKERS}', cancel_on_half_close: '${CANCEL}', drain_timeout: '${T}' }\n"
    )
    process = model_of(load(text=text, environ={"WORKERS": "3", "CANCEL": "false", "T": "5s"})).process
    assert (process.workers, process.cancel_on_half_close, process.drain_timeout) == (3, False, 5.0)


def test_errors_of_form_and_content_come_together_in_the_order_of_the_file() -> None:
    loaded = load(
        "h.yaml",
        text="listeners: { web: { bind: 80 } }\nroutes: !x []\nroutes: []\nservicse: {}\n",
        environ={},
    )
    assert [problem.line for problem in loaded.problems] == [1, 2, 3, 4]
    assert loaded.errors == loaded.problems


def test_what_is_not_set_says_nothing_more_than_that() -> None:
    loaded = load("h.yaml", text="listeners: { web: { bind: '${BIND}' } }", environ={})
    assert [problem.message for problem in loaded.problems] == ["the variable BIND is not set"]


def test_warnings_wait_until_there_are_no_errors() -> None:
    text = GOOD + "  spare: { endpoints: [127.0.0.1:1] }\n"
    assert [p.severity for p in load(text=text.replace("} }\n  sp", "}\n  sp"), environ={}).problems] == [
        "error"
    ]


def test_python_data() -> None:
    loaded = validate(
        {
            "listeners": {"web": {"bind": ":80"}},
            "routes": [{"name": "r", "service": "apq"}],
            "services": {"api": {"endpoints": ["127.0.0.1:1"]}},
        }
    )
    assert loaded.model is None
    assert str(loaded.problems[0]) == (
        'error: routes[0].service: "apq" is no service of this file\n    did you mean "api"?'
    )


def test_python_data_of_the_wrong_shape() -> None:
    loaded = validate({"listeners": {"web": {"bnd": ":80"}}, "process": {"workers": 0}, "routes": 5})
    assert {str(problem) for problem in loaded.problems} == {
        'error: listeners.web: "bind" is missing\n    write for example `bind: 0.0.0.0:8080`',
        'error: listeners.web.bnd: "bnd" is not a key here\n    did you mean "bind"?',
        'error: process.workers: "0" is not between 1 and 64',
        (
            'error: routes: "5" is a number, where a list is needed\n'
            "    write [a, b], or one item a line after `- `"
        ),
    }


def test_a_python_model() -> None:
    model = Config.model_validate({"listeners": {"web": {"bind": ":80"}}})
    assert validate(model).model == model
    assert validate(Config.model_validate({"listeners": {}})).problems[0].path == "listeners"


SECRET = "s3cr3t: [/*"


def scalars_of(text: str) -> list[str]:
    """The text with each of its values taken from the variable, one at a time."""
    import yaml

    spans = [
        (event.start_mark.index, event.end_mark.index)
        for event in yaml.parse(text, Loader=yaml.SafeLoader)
        if isinstance(event, yaml.ScalarEvent) and event.start_mark and event.end_mark
    ]
    return [text[:start] + "'${SECRET}'" + text[end:] for start, end in spans]


@pytest.mark.parametrize("text", scalars_of(EVERYTHING))
def test_what_came_from_a_variable_is_never_shown(text: str) -> None:
    for problem in load("h.yaml", text=text, environ={"SECRET": SECRET}).problems:
        for shown in (str(problem), str(problem.as_dict()), repr(problem)):
            assert "s3cr3t" not in shown


fragments = st.sampled_from(
    [
        *EVERYTHING.split(),
        "listeners:",
        "routes:",
        "services:",
        "- ",
        "\n",
        "\n  ",
        "\n    ",
        "{",
        "}",
        "[",
        "]",
        ": ",
        "null",
        "~",
        "${X}",
        "${",
        "&a",
        "*a",
        "<<",
        "!x",
        "true",
        "1e999",
        ".nan",
        "0x10",
        "'",
        '"',
        "\t",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(fragments, max_size=30).map(" ".join)))
def test_any_text_is_loaded_or_has_problems(text: str) -> None:
    loaded = load("h.yaml", text=text, environ={"X": "x"})
    assert (loaded.model is None) == any(problem.severity == "error" for problem in loaded.problems)
    assert all(str(problem) and problem.as_dict() for problem in loaded.problems)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_file_is_loaded_or_has_problems(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(EVERYTHING)))
    end = data.draw(st.integers(start, min(len(EVERYTHING), start + 40)))
    text = EVERYTHING[:start] + data.draw(st.one_of(fragments, st.text(max_size=5))) + EVERYTHING[end:]
    loaded = load("h.yaml", text=text, environ={})
    assert (loaded.model is None) == bool(loaded.errors)


json_like = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10), fragments),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(fragments.map(lambda word: word.strip(":")), st.text(max_size=5)), inner, max_size=3
        ),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(Config.model_fields)), json_like, max_size=4))
def test_any_python_data_is_validated_or_has_problems(data: dict[str, object]) -> None:
    loaded = validate(data)
    assert (loaded.model is None) == bool(loaded.errors)


def test_five_thousand_routes() -> None:
    """Checked in seconds; the limit of the test's time is the only clock."""
    paths = [f"/p{i}/*" if i % 10 else f"'~ ^/r{i}/[0-9]+$'" for i in range(5000)]
    routes = "".join(
        f"- {{ name: r{i}, match: {{ host: h{i % 1000}.example, path: {path} }}, service: app }}\n"
        for i, path in enumerate(paths)
    )
    loaded = load(text=GOOD.replace("[{ name: all, service: app }]\n", "\n" + routes), environ={})
    assert len(model_of(loaded).routes) == 5000
