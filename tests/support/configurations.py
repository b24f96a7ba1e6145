"""Configuration files that several tests read."""

from __future__ import annotations

GOOD = """\
listeners: { web: { bind: 127.0.0.1:8080 } }
routes: [{ name: all, service: app }]
services: { app: { endpoints: [127.0.0.1:9001] } }
"""

# Every key of the file, with values that are as long as they can be.
EVERYTHING = """\
process:
  workers: 2
  drain_timeout: 10s
  pre_stop_delay: 1s
  user: www-data
  group: www-data
  cancel_on_half_close: false
  log_level: debug
  ticket_rotation: 6h
  state: /var/lib/headgate
admin: { bind: [127.0.0.1:9080, unix:/run/headgate-admin.sock] }
trusted_proxies: [10.0.0.0/8, "::1"]
forwarding: { x_forwarded: true, x_real_ip: false, forwarded: true, via: edge, request_id: false }
access_log:
  format: template
  template: "{client} {status}"
  path: /var/log/headgate.log
  query: false
  queue_size: 1MiB
paths: { encoded_slash: decode, encoded_backslash: keep, encoded_nul: keep }
limits:
  head_size: 16KiB
  head_fields: 50
  hello_size: 8KiB
  connections: 1000
  connections_per_client: 10
  body_size: 10MB
  buffer_size: 32KiB
  minimum_rate: off
  minimum_rate_grace: 20s
timeouts:
  head: 5s
  keep_alive: 1m
  handshake: 5s
  connect: 1s
  first_byte: 30s
  request: 5m
  idle: 20s
  body_idle: 15s
  response_idle: 25s
  tunnel_idle: 10m
buffering: { request: 64KiB, response: 1MiB }
http2: { enabled: on, max_streams: 50, window_size: 128KiB, window_budget: 8MiB }
pool:
  connections: 100
  idle_connections: 10
  idle_timeout: 2s
  age: 1h
  streams: 50
  waiting: 5
  wait_timeout: 1s
listeners:
  web:
    bind: "[::]:8080"
    socket: { backlog: 10, keepalive: false, keepalive_idle: 30s, nodelay: false, v6only: false, mode: 0660 }
    limits:
      head_size: 8KiB
      head_fields: 20
      hello_size: 4KiB
      connections: off
      connections_per_client: 5
    timeouts: { head: 3s, keep_alive: 30s, handshake: 2s }
    health_path: /-
    http2: off
    proxy_protocol: { from: [10.0.0.0/8, unix], timeout: 1s }
    https_redirect: { enabled: on, port: 8443, status: 301 }
  secure:
    bind: "[::]:8443"
    hsts: { enabled: on, max_age: 365d, include_subdomains: on, preload: on }
    http2: { max_streams: 10, window_size: 32KiB, window_budget: 1MiB }
    proxy_protocol: off
    tls:
      certificates: [{ cert: site.crt, key: site.key }, { cert: /etc/headgate/both.pem }]
      profile: old
      min_version: 1.1
      strict_sni: on
      session_tickets: off
      client_certificates:
        mode: request
        ca: clients.crt
        crl: clients.crl
        depth: 2
        forward: [hash, subject, uri, dns, cert, chain]
        headers: { X-Client-Subject: subject, X-Client-Serial: serial }
      sites:
        Admin.example.com: { client_certificates: { mode: require, forward: off } }
        "*.example.com": { certificates: [{ cert: wild.crt, key: wild.key }], client_certificates: off }
  inside: { bind: "[::]:9443", tls: internal }
routes:
  - name: api
    listeners: [web]
    match:
      host: ["*.example.com", example.com]
      path: [/v1/*, "~ ^/(?P<id>[0-9]+)$", /exact]
      method: [GET, POST]
      headers: { x-canary: "yes", x-version: "~ ^2", x-there: { present: true }, x-gone: { present: false } }
      query: { debug: 1, v: 1.10 }
      client: [10.0.0.0/8]
    priority: 5
    middlewares: [strip, add]
    services:
      - { service: app, weight: 9, name: stable }
      - service: canary
        match:
          method: GET
          headers: { x-canary: "yes" }
          cookies: { canary: "~ ^y" }
          query: { canary: { present: true } }
          client: [10.0.0.0/8]
    sticky: cookie:user
    variant_header: X-Variant
    fault: { percent: 5, match: { headers: { x-test: "1" } }, delay: 1s, slow_body: 10KiB/s }
    mirror:
      service: next
      percent: 0.5%
      match: { method: POST }
      body: 8KiB
      concurrency: 5
      timeout: 2s
      compare: { enabled: on, headers: [Content-Type], body: off, ignore: [time, "items.*.id"] }
    timeouts: { request: off, idle: 5s, first_byte: 7s, tunnel_idle: 1m }
    limits: { body_size: off, buffer_size: 16KiB, minimum_rate: 1KiB/s, minimum_rate_grace: 5s }
    buffering: { request: off, response: off }
    retry: { attempts: 3, on: [connect] }
  - name: moved
    match: { path: "~ ^/old/(?P<page>.*)$" }
    redirect: { scheme: https, host: "new.{host}", port: 8443, path: "/new/{page}", query: "", status: 301 }
  - name: robots
    match: { path: /robots.txt }
    respond: { status: 200, headers: { Content-Type: text/plain }, body: "User-agent: *" }
middlewares:
  strip: { type: strip_prefix, prefix: /v1 }
  add: { type: add_prefix, prefix: /api }
services:
  app:
    balance: least_requests
    sticky:
      by: cookie
      name: app-session
      lifetime: 2h
      path: /app
      domain: example.com
      same_site: Strict
      secure: on
      secret: a-long-random-text
    endpoints: [127.0.0.1:9001, { address: "app.internal:9002", weight: 3 }, unix:/run/app.sock]
    host: app.internal
    pool:
      connections: off
      idle_connections: 0
      idle_timeout: 3s
      age: off
      streams: 1
      waiting: 1
      wait_timeout: 2s
    timeouts: { connect: 2s, first_byte: 50s }
    socket: { keepalive: false, nodelay: false }
    proxy_protocol: { version: v2, tlvs: [sni, alpn, client_certificate] }
  canary:
    endpoints: [https://canary.internal, h2c://127.0.0.1:9003, "http://127.0.0.1:9004"]
    tls:
      verify: on
      ca: internal.crt
      server_name: canary.internal
      certificate: headgate.crt
      key: headgate.key
      min_version: 1.3
      http2: off
    proxy_protocol: off
  next: { endpoints: [127.0.0.1:9005] }
"""
