"""The JSON Schema takes what loading takes and refuses what an editor can see."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from headgate.config import json_schema, load
from headgate.config.reader import read
from support.configurations import EVERYTHING, GOOD

SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)


def paths_of_errors(text: str) -> list[str]:
    document = read(text, "", {})
    assert document.problems == []
    return sorted(error.json_path for error in VALIDATOR.iter_errors(document.data))


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        EVERYTHING,
        GOOD + "access_log: off\n",
        GOOD + "admin: { bind: unix:/a }\n",
        GOOD + "trusted_proxies: 10.0.0.1\n",
        GOOD + "limits: { body_size: 100 }\n",
    ],
)
def test_good_files(text: str) -> None:
    assert load(text=text, environ={}).problems == []
    assert paths_of_errors(text) == []


def test_values_from_variables() -> None:
    text = (
        GOOD + "process: { workers: '${W}', cancel_on_half_close: '${C}', drain_timeout: '${D}', "
        "log_level: '${L}' }\naccess_log: { format: '${F}' }\nlimits: { head_fields: '${N}' }\n"
    )
    environ = {"W": "1", "C": "true", "D": "1s", "L": "info", "F": "json", "N": "5"}
    assert load(text=text, environ=environ).problems == []
    document = read(text.replace("${", "$${"), "", {})
    assert list(VALIDATOR.iter_errors(document.data)) == []


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (GOOD.replace("bind", "bnd"), "$.listeners.web"),
        (GOOD.replace("127.0.0.1:8080", "8080"), "$.listeners.web.bind"),
        (GOOD.replace("127.0.0.1:9001", "app"), "$.services.app.endpoints[0]"),
        (GOOD + "process: { workers: 100 }\n", "$.process.workers"),
        (GOOD + "process: { drain_timeout: 30 }\n", "$.process.drain_timeout"),
        (GOOD + "process: { drain_timeout: 5 s }\n", "$.process.drain_timeout"),
        (GOOD + "limits: { body_size: 10M }\n", "$.limits.body_size"),
        (GOOD + "paths: { encoded_slash: drop }\n", "$.paths.encoded_slash"),
        (GOOD + "process: { cancel_on_half_close: on }\n", "$.process.cancel_on_half_close"),
        (GOOD + "access_log: on\n", "$.access_log"),
        (GOOD + "middlewares: { m: { type: rate_limit } }\n", "$.middlewares.m"),
        (GOOD.replace("name: all, ", ""), "$.routes[0]"),
        (GOOD.replace("service: app", "match: { path: a }"), "$.routes[0].match.path"),
        (GOOD.replace("app: {", "'a b': {"), "$.services"),
    ],
)
def test_bad_files(text: str, path: str) -> None:
    assert load(text=text, environ={}).model is None
    assert path in paths_of_errors(text)


def properties(schema: dict[str, Any], name: str = "Config") -> list[tuple[str, dict[str, Any]]]:
    found = []
    for part in (schema, *schema.get("anyOf", ())):
        found += [(f"{name}.{key}", value) for key, value in part.get("properties", {}).items()]
    return found


ALL = [
    *properties(SCHEMA),
    *(item for name, schema in SCHEMA["$defs"].items() for item in properties(schema, name)),
]


@pytest.mark.parametrize(("name", "schema"), ALL, ids=[name for name, _ in ALL])
def test_every_key_is_described(name: str, schema: dict[str, Any]) -> None:
    target = SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    assert schema.get("description") or target.get("description"), name


@pytest.mark.parametrize(("name", "schema"), ALL, ids=[name for name, _ in ALL])
def test_examples_are_good(name: str, schema: dict[str, Any]) -> None:
    whole = {"$defs": SCHEMA["$defs"], **schema}
    for example in schema.get("examples", ()):
        assert list(Draft202012Validator(whole).iter_errors(example)) == [], name


def test_choices_and_defaults_for_editors() -> None:
    log = SCHEMA["$defs"]["Process"]["properties"]["log_level"]
    assert log["default"] == "info"
    assert log["anyOf"][0]["enum"] == ["debug", "info", "warning", "error"]
    assert SCHEMA["$defs"]["Process"]["properties"]["drain_timeout"]["default"] == "30s"
    assert SCHEMA["$defs"]["ListenerLimits"]["properties"]["head_size"]["default"] == "32KiB"
