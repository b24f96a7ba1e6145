"""HAProxy with one thread."""

from __future__ import annotations

from benchmarks.peers.peer import Peer

CONFIGURATION = """\
global
  nbthread {workers}
  no strict-limits
  maxconn 12000
  tune.ssl.cachesize 0
defaults
  mode http
  timeout client 75s
  timeout http-keep-alive 75s
  timeout server 60s
  timeout connect 5s
  option forwardfor
  http-reuse always
frontend web
  bind 127.0.0.1:{port} backlog 4096
{second}  unique-id-format %[uuid()]
  unique-id-header X-Request-Id
  http-request del-header X-Request-Id
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Real-IP %[src]
  http-request add-header Via "1.1 haproxy"
  http-response add-header Via "1.1 haproxy"
{log}  default_backend backend
backend backend
  server one 127.0.0.1:{backend_port}{upstream}
frontend admin
  bind 127.0.0.1:{admin_port}
  http-request use-service prometheus-exporter
"""

# One write for each record: what HAProxy can do without another process.
LOG = """\
  log stdout format raw local0
  log-format '{"time":"%t","client":"%ci","method":"%HM","host":"%[capture.req.hdr(0)]","target":"%HU",\
"version":"%HV","status":%ST,"bytes_in":%U,"bytes_out":%B,"duration":%Ta,"service":"%b","endpoint":"%s",\
"connect":%Tc,"first_byte":%Tr,"request_id":"%ID","user_agent":"%[capture.req.hdr(1)]",\
"referer":"%[capture.req.hdr(2)]"}'
  http-request capture req.hdr(Host) len 64
  http-request capture req.hdr(User-Agent) len 160
  http-request capture req.hdr(Referer) len 128
"""


class Haproxy(Peer):
    name = "haproxy"
    title = "HAProxy"
    program = "haproxy"
    install = "apt-get install haproxy"

    @classmethod
    def version_arguments(cls) -> list[str]:
        return ["-v"]

    def configure(self) -> list[str]:
        setting = self.setting
        second = f"  bind 127.0.0.1:{setting.second_port} backlog 4096"
        path = setting.folder / "haproxy.cfg"
        path.write_text(
            CONFIGURATION.format(
                port=setting.port,
                admin_port=setting.admin_port,
                backend_port=setting.backend_port,
                workers=setting.workers,
                second={
                    "http1": "",
                    "tls": f"{second} ssl crt {setting.certificate} no-tls-tickets\n",
                    "h2c": f"{second} proto h2\n",
                }[setting.spoken],
                upstream="" if setting.upstream == "http1" else " proto h2",
                log=LOG if setting.access_log else "",
            )
        )
        return [self.path(), "-db", "-f", str(path)]
