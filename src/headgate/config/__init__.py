"""What people write: the file, its checks, and its compilation to a snapshot."""

from headgate.config.compilation import compile  # noqa: A004
from headgate.config.loading import Loaded, load, validate
from headgate.config.problems import ConfigError, Problem
from headgate.config.references import check
from headgate.config.schema import json_schema
from headgate.config.workers import resolve_workers

__all__ = [
    "ConfigError",
    "Loaded",
    "Problem",
    "check",
    "compile",
    "json_schema",
    "load",
    "resolve_workers",
    "validate",
]
