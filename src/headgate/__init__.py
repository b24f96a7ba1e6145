"""Headgate: a reverse proxy, load balancer and API gateway for people who work in Python.

`Gateway` is a configuration that runs inside a program; everything else is reached by the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.config.problems import ConfigError, Problem
    from headgate.controller.controller import PublishError
    from headgate.gateway import Gateway, Running

__all__ = ["ConfigError", "Gateway", "Problem", "PublishError", "Running"]

_HOMES = {
    "ConfigError": "headgate.config.problems",
    "Gateway": "headgate.gateway",
    "Problem": "headgate.config.problems",
    "PublishError": "headgate.controller.controller",
    "Running": "headgate.gateway",
}


def __getattr__(name: str) -> object:
    """Import on first use: the supervisor and the workers import this package too, and need none of it."""
    if name not in _HOMES:
        raise AttributeError(f"module 'headgate' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
