"""nginx, with the large buffers that suit it best."""

from __future__ import annotations

from benchmarks.peers.peer import Peer

CONFIGURATION = """\
daemon off; pid nginx.pid; error_log stderr; worker_processes {workers};
events {{ worker_connections 12000; }}
http {{
  log_format record escape=json '{{"time":"$time_iso8601","client":"$remote_addr","method":"$request_method",'
    '"host":"$host","target":"$request_uri","version":"$server_protocol","status":$status,'
    '"bytes_in":$request_length,"bytes_out":$body_bytes_sent,"duration":$request_time,'
    '"endpoint":"$upstream_addr","upstream_status":"$upstream_status","connect":"$upstream_connect_time",'
    '"first_byte":"$upstream_header_time","request_id":"$request_id","user_agent":"$http_user_agent",'
    '"referer":"$http_referer"}}';
  access_log {access_log};
  keepalive_requests 1000000000; keepalive_timeout 75s;
  upstream backend {{ server 127.0.0.1:{backend_port}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096 reuseport;{second}
    location / {{
      {upstream}
      proxy_buffer_size 64k; proxy_buffers 16 64k; proxy_busy_buffers_size 128k;
      proxy_max_temp_file_size 0;
      client_body_buffer_size 128k; client_max_body_size 0; proxy_request_buffering off;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header Via "1.1 nginx";
      add_header Via "1.1 nginx";
    }}
  }}
  server {{ listen 127.0.0.1:{admin_port}; location / {{ stub_status; }} }}
}}
"""


PROXY = 'proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection "";'
TLS = """
    listen 127.0.0.1:{port} ssl backlog=4096 reuseport;
    ssl_certificate {certificate}; ssl_certificate_key {certificate}; ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache off; ssl_session_tickets off;"""
H2C = """
    listen 127.0.0.1:{port} http2 backlog=4096 reuseport;"""


class Nginx(Peer):
    name = "nginx"
    title = "nginx"
    program = "nginx"
    install = "apt-get install nginx"

    @classmethod
    def version_arguments(cls) -> list[str]:
        return ["-v"]

    def configure(self) -> list[str]:
        setting = self.setting
        path = setting.folder / "nginx.conf"
        path.write_text(
            CONFIGURATION.format(
                port=setting.port,
                admin_port=setting.admin_port,
                backend_port=setting.backend_port,
                workers=setting.workers,
                second={"http1": "", "tls": TLS, "h2c": H2C}[setting.spoken].format(
                    port=setting.second_port, certificate=setting.certificate
                ),
                upstream=PROXY if setting.upstream == "http1" else "grpc_pass grpc://backend;",
                access_log="access.log record buffer=64k flush=1s" if setting.access_log else "off",
            )
        )
        return [self.path(), "-p", str(setting.folder), "-c", str(path)]
