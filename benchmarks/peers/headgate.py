"""Headgate itself, as `headgate run -c FILE` runs it: supervisor, controller and workers on one core."""

from __future__ import annotations

from typing import Any

import yaml

from benchmarks import routes
from benchmarks.peers.peer import Peer, Setting

MARK = """\
from headgate.middleware import Middleware


class Mark(Middleware):
    def on_request(self, exchange):
        exchange.request.headers["x-mark"] = "seen"
"""


class Headgate(Peer):
    name = "headgate"
    title = "Headgate"
    program = "headgate"
    install = "pip install --editable ."

    @classmethod
    def version_arguments(cls) -> list[str]:
        return ["version"]

    def configure(self) -> list[str]:
        path = self.setting.folder / "headgate.yaml"
        path.write_text(configuration(self.setting))
        (self.setting.folder / "mark.py").write_text(MARK)
        return [self.path(), "run", "-c", str(path)]


def configuration(setting: Setting) -> str:
    """The configuration file."""
    log = {"format": "json", "path": str(setting.folder / "access.log")}
    catch_all = {"name": "all", "match": {"path": "/*"}, "service": "backend", **setting.route}
    scheme = "h2c://" if setting.upstream == "h2c" else ""
    endpoints = [f"{scheme}127.0.0.{n + 1}:{setting.backend_port}" for n in range(setting.endpoints)]
    written: dict[str, Any] = {
        "process": {"workers": setting.workers},
        "admin": {"bind": f"127.0.0.1:{setting.admin_port}"},
        "access_log": log if setting.access_log else "off",
        "listeners": {"web": {"bind": f"127.0.0.1:{setting.port}", "limits": {"connections": 12000}}},
        "routes": routes.configuration(setting.routes) if setting.routes else [catch_all],
        "middlewares": dict(setting.middlewares),
        "services": {"backend": {"endpoints": endpoints, **setting.service}},
    }
    if setting.spoken != "http1":
        written["listeners"]["second"] = {
            "bind": f"127.0.0.1:{setting.second_port}",
            "limits": {"connections": 12000},
        }
    if setting.spoken == "tls":
        pair = {"cert": setting.certificate, "key": setting.certificate}
        written["listeners"]["second"]["tls"] = {"certificates": [pair], "session_tickets": "off"}
    return yaml.safe_dump(written, sort_keys=False)
