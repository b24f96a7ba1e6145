"""From a configuration to a snapshot."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headgate import config, spec
from headgate.config import ConfigError, load
from headgate.config.model import (
    Chain,
    Config,
    Endpoint,
    Listener,
    Match,
    Pool,
    Retry,
    Route,
    RouteTimeouts,
    Service,
)
from support.configurations import EVERYTHING

# The file of the design, as far as this version supports it.
DESIGN = """\
process:   { workers: 2, drain_timeout: 30s }
admin:     { bind: 127.0.0.1:9080 }
trusted_proxies: [10.0.0.0/8]
access_log: { format: json, path: stdout }

listeners:
  web:    { bind: 0.0.0.0:8080 }
  secure: { bind: 0.0.0.0:8443 }

routes:
  - name: api
    listeners: [web, secure]
    match:
      host: api.example.com
      path: /v1/*
      method: [GET, POST]
      headers: { x-canary: "yes" }
      query: { debug: "1" }
      client: [10.0.0.0/8]
    middlewares: [strip-v1]
    service: api
    timeouts: { request: 30s, idle: 60s }
    retry: { attempts: 3, on: [connect] }

middlewares:
  strip-v1: { type: strip_prefix, prefix: /v1 }

services:
  api:
    balance: round_robin
    endpoints: [127.0.0.1:9001, { address: 127.0.0.1:9002, weight: 3 }, unix:/run/app.sock]
"""


def compiled(text: str, **environ: str) -> spec.Snapshot:
    loaded = load(text=text, environ=environ)
    assert loaded.errors == []
    assert loaded.model is not None
    return config.compile(loaded.model)


def built(data: dict[str, Any]) -> spec.Snapshot:
    return config.compile(Config.model_validate(data))


def without_places(snapshot: spec.Snapshot) -> spec.Snapshot:
    routes = tuple(msgspec.structs.replace(route, where="") for route in snapshot.routes)
    return msgspec.structs.replace(snapshot, routes=routes)


def test_the_file_of_the_design() -> None:
    assert compiled(DESIGN) == spec.Snapshot(
        version=1,
        process=spec.Process(workers=2, admin=(spec.Address(host="127.0.0.1", port=9080),)),
        trusted_proxies=("10.0.0.0/8",),
        access_log=spec.AccessLog(),
        listeners=(
            spec.Listener(name="web", address=spec.Address(host="0.0.0.0", port=8080), metric=1),
            spec.Listener(name="secure", address=spec.Address(host="0.0.0.0", port=8443), metric=2),
        ),
        routes=(
            spec.Route(
                name="api",
                listeners=("web", "secure"),
                match=spec.Match(
                    hosts=("api.example.com",),
                    path=(spec.PathMatch(kind="prefix", value="/v1"),),
                    methods=("GET", "POST"),
                    headers=(spec.FieldMatch(name="x-canary", kind="exact", value="yes"),),
                    query=(spec.FieldMatch(name="debug", kind="exact", value="1"),),
                    client=("10.0.0.0/8",),
                ),
                middlewares=("strip-v1",),
                services=(spec.ServiceShare(service="api"),),
                limits=spec.RouteLimits(request_timeout=30.0),
                retry=spec.Retry(attempts=3),
                where="line 11",
                metric=3,
            ),
        ),
        services=(
            spec.Service(
                name="api",
                endpoints=(
                    spec.Endpoint(
                        name="127.0.0.1:9001",
                        addresses=(spec.Address(host="127.0.0.1", port=9001),),
                        metric=5,
                    ),
                    spec.Endpoint(
                        name="127.0.0.1:9002",
                        addresses=(spec.Address(host="127.0.0.1", port=9002),),
                        weight=3,
                        metric=6,
                    ),
                    spec.Endpoint(
                        name="unix:/run/app.sock", addresses=(spec.Address(unix="/run/app.sock"),), metric=7
                    ),
                ),
                metric=4,
            ),
        ),
        middlewares=(
            spec.Middleware(name="strip-v1", type="strip_prefix", options={"prefix": "/v1"}, metric=8),
        ),
        metrics=spec.Metrics(
            blocks={
                "listener:web": 1,
                "listener:secure": 2,
                "route:api": 3,
                "service:api": 4,
                "endpoint:api/127.0.0.1:9001": 5,
                "endpoint:api/127.0.0.1:9002": 6,
                "endpoint:api/unix:/run/app.sock": 7,
                "middleware:strip-v1": 8,
            },
            next=9,
        ),
    )


def test_python_objects_give_the_same_snapshot() -> None:
    model = Config(
        process={"workers": 2, "drain_timeout": timedelta(seconds=30)},
        admin={"bind": "127.0.0.1:9080"},
        trusted_proxies=["10.0.0.0/8"],
        access_log={"format": "json", "path": "stdout"},
        listeners={"web": Listener(bind="0.0.0.0:8080"), "secure": Listener(bind="0.0.0.0:8443")},
        routes=[
            Route(
                name="api",
                listeners=["web", "secure"],
                service="api",
                middlewares=["strip-v1"],
                match=Match(
                    host="api.example.com",
                    path="/v1/*",
                    method=["GET", "POST"],
                    headers={"X-Canary": "yes"},
                    query={"debug": "1"},
                    client=["10.0.0.0/8"],
                ),
                timeouts=RouteTimeouts(request="30s", idle=timedelta(minutes=1)),
                retry=Retry(attempts=3, on=["connect"]),
            ),
        ],
        middlewares={"strip-v1": {"type": "strip_prefix", "prefix": "/v1"}},
        services={
            "api": Service(
                endpoints=[
                    "127.0.0.1:9001",
                    Endpoint(address="127.0.0.1:9002", weight=3),
                    {"address": "unix:/run/app.sock"},
                ]
            )
        },
    )
    assert config.compile(model) == without_places(compiled(DESIGN))


def test_a_model_survives_the_way_through_plain_data() -> None:
    model = load(text=EVERYTHING, environ={}).model
    assert model is not None
    for plain in (model.model_dump(), model.model_dump(mode="json"), model.model_dump(exclude_unset=True)):
        again = Config.model_validate(plain)
        assert config.compile(again) == without_places(config.compile(model))


SMALL: dict[str, Any] = {
    "process": {"workers": 1},
    "listeners": {"web": {"bind": ":80"}},
    "routes": [{"name": "r", "service": "s"}],
    "services": {"s": {"endpoints": ["127.0.0.1:1"]}},
}


def test_defaults_are_those_of_the_table() -> None:
    snapshot = built(SMALL)
    assert snapshot.listeners[0].limits == spec.ListenerLimits()
    assert snapshot.listeners[0].socket == spec.SocketOptions()
    assert snapshot.routes[0].limits == spec.RouteLimits()
    assert snapshot.services[0].pool == spec.Pool()
    assert snapshot.process == spec.Process(workers=1)
    assert snapshot.forwarding == spec.Forwarding()
    assert snapshot.access_log == spec.AccessLog()


def test_the_top_of_the_file_is_inherited() -> None:
    snapshot = built(
        SMALL
        | {
            "timeouts": {
                "head": "1s",
                "keep_alive": "2s",
                "connect": "4s",
                "first_byte": "5s",
                "request": "6s",
                "idle": "7s",
                "response_idle": "8s",
                "tunnel_idle": "9s",
            },
            "limits": {
                "head_size": 1000,
                "head_fields": 10,
                "connections": 11,
                "connections_per_client": 12,
                "body_size": 13,
                "buffer_size": 14,
                "minimum_rate": "15B/s",
                "minimum_rate_grace": "16s",
            },
            "buffering": {"request": 17, "response": 18},
            "pool": {
                "connections": 19,
                "idle_connections": 20,
                "idle_timeout": "21s",
                "age": "22s",
                "waiting": 23,
                "wait_timeout": "24s",
            },
        }
    )
    assert snapshot.listeners[0].limits == spec.ListenerLimits(
        head_timeout=1,
        keep_alive_timeout=2,
        head_bytes=1000,
        head_fields=10,
        connections=11,
        connections_per_client=12,
    )
    assert snapshot.routes[0].limits == spec.RouteLimits(
        first_byte_timeout=5,
        request_timeout=6,
        body_idle_timeout=7,
        response_idle_timeout=8,
        tunnel_idle_timeout=9,
        body_bytes=13,
        buffer_bytes=14,
        minimum_rate=15,
        minimum_rate_grace=16,
        buffer_request=17,
        buffer_response=18,
    )
    assert snapshot.services[0].pool == spec.Pool(
        connections=19,
        idle_connections=20,
        idle_timeout=21,
        age=22,
        waiting=23,
        wait_timeout=24,
        connect_timeout=4,
    )


def test_the_nearest_value_holds() -> None:
    snapshot = built(
        {
            "process": {"workers": 1},
            "timeouts": {"head": "1s", "connect": "2s", "request": "3s", "first_byte": "4s", "idle": "5s"},
            "limits": {"head_fields": 6, "body_size": 7},
            "pool": {"waiting": 8},
            "buffering": {"request": 9},
            "listeners": {"web": {"bind": ":80", "timeouts": {"head": "10s"}, "limits": {"head_fields": 11}}},
            "routes": [
                {
                    "name": "r",
                    "service": "s",
                    "timeouts": {"request": "off", "body_idle": "12s"},
                    "limits": {"body_size": "off"},
                    "buffering": {"request": "off"},
                }
            ],
            "services": {
                "s": {
                    "endpoints": ["127.0.0.1:1"],
                    "timeouts": {"connect": "13s", "first_byte": "14s"},
                    "pool": {"waiting": "off"},
                }
            },
        }
    )
    assert snapshot.listeners[0].limits == spec.ListenerLimits(head_timeout=10, head_fields=11)
    assert snapshot.routes[0].limits == spec.RouteLimits(
        request_timeout=0,
        body_idle_timeout=12,
        response_idle_timeout=5,
        first_byte_timeout=14,
        body_bytes=0,
        buffer_request=0,
    )
    assert snapshot.services[0].pool == spec.Pool(waiting=0, connect_timeout=13)


@pytest.mark.parametrize(
    ("route", "services", "seconds"),
    [
        ({"service": "a"}, {"a": {}}, 10.0),
        ({"service": "a"}, {"a": {"first_byte": "20s"}}, 20.0),
        ({"service": "a"}, {"a": {"first_byte": "5s"}}, 5.0),
        ({"service": "a", "timeouts": {"first_byte": "30s"}}, {"a": {"first_byte": "20s"}}, 30.0),
        ({"services": [{"service": "a"}, {"service": "b"}]}, {"a": {"first_byte": "20s"}, "b": {}}, 20.0),
        ({"services": [{"service": "a"}, {"service": "b"}]}, {"a": {"first_byte": "5s"}, "b": {}}, 10.0),
        ({"respond": {}}, {}, 10.0),
    ],
)
def test_first_byte_of_route_service_and_file(route: Any, services: Any, seconds: float) -> None:
    snapshot = built(
        SMALL
        | {
            "timeouts": {"first_byte": "10s"},
            "routes": [{"name": "r"} | route],
            "services": {
                name: {"endpoints": ["127.0.0.1:1"], "timeouts": timeouts}
                for name, timeouts in services.items()
            },
        }
    )
    assert snapshot.routes[0].limits.first_byte_timeout == seconds


def test_everything_arrives() -> None:
    snapshot = compiled(EVERYTHING)
    assert snapshot.process == spec.Process(
        workers=2,
        drain_timeout=10,
        pre_stop_delay=1,
        user="www-data",
        group="www-data",
        cancel_on_half_close=False,
        log_level="debug",
        ticket_rotation=6 * 3600,
        state="/var/lib/headgate",
        admin=(spec.Address(host="127.0.0.1", port=9080), spec.Address(unix="/run/headgate-admin.sock")),
    )
    assert snapshot.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert snapshot.forwarding == spec.Forwarding(
        x_real_ip=False, forwarded=True, via="edge", request_id=False
    )
    assert snapshot.access_log == spec.AccessLog(
        format="template",
        template="{client} {status}",
        path="/var/log/headgate.log",
        query=False,
        queue_bytes=1 << 20,
    )
    assert (snapshot.encoded_slash, snapshot.encoded_backslash, snapshot.encoded_nul) == (
        "decode",
        "keep",
        "keep",
    )
    listener = snapshot.listeners[0]
    assert listener.address == spec.Address(host="::", port=8080)
    assert listener.socket == spec.SocketOptions(
        backlog=10, keepalive=False, keepalive_idle=30, nodelay=False, v6only=False, mode=0o660
    )
    assert listener.health_path == "/-"
    api, moved, robots = snapshot.routes
    assert api.match.headers == (
        spec.FieldMatch(name="x-canary", kind="exact", value="yes"),
        spec.FieldMatch(name="x-version", kind="regex", value="^2"),
        spec.FieldMatch(name="x-there", kind="present"),
        spec.FieldMatch(name="x-gone", kind="absent"),
    )
    assert api.match.query == (
        spec.FieldMatch(name="debug", kind="exact", value="1"),
        spec.FieldMatch(name="v", kind="exact", value="1.10"),
    )
    assert api.match.path == (
        spec.PathMatch(kind="prefix", value="/v1"),
        spec.PathMatch(kind="regex", value="^/(?P<id>[0-9]+)$"),
        spec.PathMatch(kind="exact", value="/exact"),
    )
    assert api.priority == 5
    assert api.middlewares == ("strip", "add")
    assert [each.type for each in snapshot.middlewares] == ["strip_prefix", "add_prefix"]
    blocks = snapshot.metrics.blocks
    assert api.services == (
        spec.ServiceShare(service="app", weight=9, variant="stable", metric=blocks["variant:api/stable"]),
        spec.ServiceShare(
            service="canary",
            metric=blocks["variant:api/canary"],
            selection=spec.Selection(
                match=spec.Match(
                    methods=("GET",),
                    headers=(spec.FieldMatch("x-canary", "exact", "yes"),),
                    query=(spec.FieldMatch("canary", "present"),),
                    client=("10.0.0.0/8",),
                ),
                cookies=(spec.FieldMatch("canary", "regex", "^y"),),
            ),
        ),
    )
    assert api.fault == spec.Fault(
        selection=spec.Selection(
            match=spec.Match(headers=(spec.FieldMatch("x-test", "exact", "1"),)), percent=5.0
        ),
        delay=1.0,
        rate=10240.0,
        metric=blocks["fault:api"],
    )
    assert api.mirror == spec.Mirror(
        service="next",
        selection=spec.Selection(match=spec.Match(methods=("POST",)), percent=0.5),
        body_bytes=8192,
        most=5,
        timeout=2.0,
        compare=spec.Compare(headers=("content-type",), body=False, ignore=("time", "items.*.id")),
        metric=blocks["mirror:api"],
        results_metric=blocks["mirrored:api"],
    )
    assert (api.sticky, api.variant_header) == (spec.Key("cookie", "user"), "x-variant")
    assert moved.redirect == spec.Redirect(
        scheme="https", host="new.{host}", port=8443, path="/new/{page}", query="", status=301
    )
    assert robots.respond == spec.Respond(headers=(("content-type", "text/plain"),), body="User-agent: *")
    app = snapshot.services[0]
    assert (app.balance.algorithm, app.host, app.nodelay, app.keepalive) == (
        "least_requests",
        "app.internal",
        False,
        False,
    )
    assert app.endpoints[1].addresses == (spec.Address(host="app.internal", port=9002),)
    assert app.sticky == spec.Sticky(
        by="cookie",
        name="app-session",
        lifetime=7200.0,
        path="/app",
        domain="example.com",
        same_site="Strict",
        secure=True,
        secret=spec.Secret("a-long-random-text"),
        metric=blocks["sticky:app"],
    )
    assert spec.decode(spec.encode(snapshot)) == snapshot


def test_everything_about_tls_arrives() -> None:
    snapshot = compiled(EVERYTHING)
    web, secure, inside = snapshot.listeners
    assert web.http2 == spec.Http2(
        enabled=False, max_streams=50, window_bytes=128 * 1024, budget_bytes=8 * 1024 * 1024
    )
    assert web.proxy_protocol == spec.ProxyProtocol(sources=("10.0.0.0/8", "unix"), timeout=1)
    assert web.https_redirect == spec.HttpsRedirect(port=8443, status=301)
    assert (web.tls, web.hsts) == (None, None)
    assert (web.limits.handshake_timeout, web.limits.hello_bytes) == (2, 4096)
    assert (secure.limits.handshake_timeout, secure.limits.hello_bytes) == (5, 8192)
    assert secure.http2 == spec.Http2(max_streams=10, window_bytes=32 * 1024, budget_bytes=1024 * 1024)
    assert secure.proxy_protocol is None
    assert secure.hsts == spec.Hsts(max_age=365 * 86_400, include_subdomains=True, preload=True)
    assert secure.hsts.value == "max-age=31536000; includeSubDomains; preload"
    pairs = (
        spec.Certificate(cert_file="site.crt", key_file="site.key"),
        spec.Certificate(cert_file="/etc/headgate/both.pem", key_file="/etc/headgate/both.pem"),
    )
    clients = spec.ClientCertificates(
        mode="request",
        ca_file="clients.crt",
        crl_file="clients.crl",
        depth=2,
        forward=("hash", "subject", "uri", "dns", "cert", "chain"),
        headers=(("x-client-subject", "subject"), ("x-client-serial", "serial")),
    )
    wild = spec.Certificate(cert_file="wild.crt", key_file="wild.key")
    assert secure.tls is not None
    assert secure.tls.sites == (
        spec.TlsSite(certificates=pairs, clients=clients),
        spec.TlsSite(
            names=("admin.example.com",),
            certificates=pairs,
            clients=msgspec.structs.replace(clients, mode="require", forward=()),
        ),
        spec.TlsSite(names=("*.example.com",), certificates=(wild,)),
    )
    assert (secure.tls.min_version, secure.tls.strict_sni, secure.tls.server_order) == ("1.1", True, True)
    assert secure.tls.ciphers.endswith(":AES256-SHA:@SECLEVEL=0")
    assert secure.tls.alpn == ("h2", "http/1.1")
    assert inside.tls is not None
    assert inside.tls.sites == (spec.TlsSite(certificates=(spec.Certificate(),)),)
    assert (inside.tls.min_version, inside.tls.server_order) == ("1.2", False)
    assert snapshot.identity_fields == ("x-client-serial", "x-client-subject", "x-forwarded-client-cert")
    canary = snapshot.services[1]
    assert [(each.name, each.scheme, each.authority, each.host) for each in canary.endpoints] == [
        ("https://canary.internal:443", "https", "canary.internal:443", "canary.internal"),
        ("h2c://127.0.0.1:9003", "h2c", "127.0.0.1:9003", "127.0.0.1"),
        ("127.0.0.1:9004", "http", "127.0.0.1:9004", "127.0.0.1"),
    ]
    assert canary.tls == spec.ServiceTls(
        ca_file="internal.crt",
        server_name="canary.internal",
        certificate=spec.Certificate(cert_file="headgate.crt", key_file="headgate.key"),
        min_version="1.3",
        alpn=("http/1.1",),
    )
    assert canary.proxy_protocol is None
    assert snapshot.services[0].proxy_protocol == spec.ProxyHeader(
        facts=("sni", "alpn", "client_certificate")
    )
    assert (canary.pool.streams, snapshot.services[0].pool.streams) == (50, 1)


def test_files_count_from_the_folder_of_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "headgate.yaml"
    file.write_text(
        "listeners: { web: { bind: ':443', tls: { certificates: [{ cert: certs/a.crt, key: /a.key }] } } }\n"
        "routes: [{ name: r, service: s }]\n"
        "services: { s: { endpoints: [https://app], tls: { ca: ca.crt } } }\n"
    )
    model = load(file, environ={}).model
    assert model is not None
    snapshot = config.compile(model)
    assert snapshot.listeners[0].tls is not None
    (pair,) = snapshot.listeners[0].tls.sites[0].certificates
    assert (pair.cert_file, pair.key_file) == (str(tmp_path / "certs/a.crt"), "/a.key")
    assert snapshot.services[0].tls.ca_file == str(tmp_path / "ca.crt")


def test_a_listener_has_certificates_for_the_hosts_of_its_own_routes() -> None:
    snapshot = built(
        SMALL
        | {
            "listeners": {
                name: {"bind": f":{port}", "tls": "internal"} for name, port in (("a", 1), ("b", 2))
            },
            "routes": [
                {"name": "both", "service": "s", "match": {"host": "both.example"}},
                {"name": "b", "service": "s", "listeners": "b", "match": {"host": "[::1]"}},
            ],
        }
    )
    names = [listener.tls.sites[0].certificates[0].names for listener in snapshot.listeners if listener.tls]
    assert names == [("both.example",), ("[::1]", "both.example")]


@pytest.mark.parametrize(
    ("above", "own", "enabled"), [("off", {}, False), ("off", "on", True), ("on", "off", False)]
)
def test_http2_is_inherited(above: Any, own: Any, enabled: bool) -> None:
    listener = built(
        SMALL | {"http2": above, "listeners": {"w": {"bind": ":1", "http2": own, "tls": "internal"}}}
    )
    assert listener.listeners[0].http2.enabled is enabled
    assert listener.listeners[0].tls is not None
    assert ("h2" in listener.listeners[0].tls.alpn) is enabled


def test_no_access_log() -> None:
    assert compiled(DESIGN.replace("{ format: json, path: stdout }", "off")).access_log is None
    assert built(SMALL | {"access_log": "off"}).access_log is None


def test_metric_blocks_over_reloads() -> None:
    first = built(SMALL)
    renamed = SMALL | {"routes": [{"name": "other", "service": "s"}]}
    second = config.compile(Config.model_validate(renamed), first, 2)
    assert second.version == 2
    assert second.listeners[0].metric == first.listeners[0].metric
    assert second.services[0].endpoints[0].metric == first.services[0].endpoints[0].metric
    assert second.routes[0].metric == first.metrics.next
    third = config.compile(Config.model_validate(SMALL), second, 3)
    assert third.routes[0].metric == first.routes[0].metric


def test_broken_references_of_python_models_are_refused() -> None:
    with pytest.raises(ConfigError) as error:
        built(SMALL | {"services": {"app": {"endpoints": ["127.0.0.1:1"]}}})
    assert str(error.value) == 'error: routes[0].service: "s" is no service of this file\n    known here: app'


def test_workers_are_resolved() -> None:
    assert built(SMALL | {"process": {}}).process.workers >= 1


def test_parts_of_python_models_are_checked_where_they_are_made() -> None:
    assert Chain(type="chain", middlewares="a").middlewares == ("a",)
    assert Pool(idle_timeout=timedelta(seconds=2)).idle_timeout == 2.0
    with pytest.raises(ValueError, match="has no unit"):
        Pool(idle_timeout=2)


@pytest.mark.parametrize(("policy", "path"), [("keep", "/a%2Fb"), ("decode", "/a/b")])
def test_patterns_have_the_form_of_requests(policy: str, path: str) -> None:
    routes = [{"name": "r", "service": "s", "match": {"path": "/a%2fb"}}]
    snapshot = built(SMALL | {"routes": routes, "paths": {"encoded_slash": policy}})
    assert snapshot.routes[0].match.path == (spec.PathMatch(kind="exact", value=path),)


STICKY = """\
listeners: {{ web: {{ bind: ':80' }} }}
services: {{ app: {{ endpoints: ['127.0.0.1:1'], sticky: {{ secret_file: {file} }} }} }}
routes: [{{ name: r, service: app }}]
"""


def test_the_secret_of_sessions_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("a-long-random-text\n")
    sticky = compiled(STICKY.format(file=file)).services[0].sticky
    assert sticky is not None
    assert (sticky.secret.text, sticky.name) == ("a-long-random-text", "headgate-app")
    file.write_text("short")
    [short] = load(text=STICKY.format(file=file), environ={}).problems
    assert short.message == f"services.app.sticky: {file} has fewer than 16 characters"
    [missing] = load(text=STICKY.format(file=tmp_path / "none"), environ={}).problems
    assert "No such file" in missing.message


PLACES = """\
process: { zone: a }
listeners: { web: { bind: ':80' } }
routes:
  - { name: r, service: app, subset: { version: v2, tone: x } }
  - { name: s, services: [{ service: app, subset: { version: 1 } }, { service: plain }] }
services:
  app:
    subset_fallback: any
    endpoints:
      - { address: '10.0.0.1:1', zone: a, labels: { version: v2, tone: x } }
      - { address: '10.0.0.2:1', zone: b, labels: { version: 1 } }
      - { address: '10.0.0.3:1', priority: 1, zone: a }
      - { address: '10.0.0.4:1', priority: 1 }
  tiers: { endpoints: ['10.0.0.1:1', { address: '10.0.0.2:1', priority: 2 }] }
  plain: { endpoints: ['10.0.0.1:1', '10.0.0.2:1'] }
"""


def placed(**environ: str) -> spec.Snapshot:
    loaded = load("h.yaml", text=PLACES, environ=environ)
    assert loaded.model is not None, loaded.problems
    return config.compile(loaded.model)


def test_levels_of_endpoints() -> None:
    app, tiers, plain = placed().services
    assert [endpoint.level for endpoint in app.endpoints] == [0, 1, 2, 3]
    assert [endpoint.level for endpoint in tiers.endpoints] == [0, 4]  # who names no zone is in all of them
    assert [endpoint.level for endpoint in plain.endpoints] == [0, 0]
    assert 0 < app.levels_metric != tiers.levels_metric > 0
    assert plain.levels_metric == 0


@pytest.mark.parametrize(("written", "size"), [("256MiB", 256 << 20), ("off", 0)])
def test_the_memory_of_a_worker(written: str, size: int) -> None:
    process = compiled(
        f"listeners: {{ web: {{ bind: ':80' }} }}\nprocess: {{ memory_limit: {written} }}"
    ).process
    assert process.memory_limit == size


def test_the_zone_of_the_environment() -> None:
    (app, *_), zone = placed(HEADGATE_ZONE="b").services, placed(HEADGATE_ZONE="b").process.zone
    assert (zone, [endpoint.level for endpoint in app.endpoints]) == ("b", [1, 0, 3, 3])
    problems = load("h.yaml", text=PLACES, environ={"HEADGATE_ZONE": "b c"}).errors
    assert [problem.message for problem in problems] == ['"b c" is no name of a zone']


def test_subsets() -> None:
    snapshot = placed()
    assert snapshot.routes[0].services[0].subset == (("tone", "x"), ("version", "v2"))
    assert [share.subset for share in snapshot.routes[1].services] == [(("version", "1"),), ()]
    assert [service.subset_fallback for service in snapshot.services] == [True, False, False]
    assert snapshot.services[0].endpoints[1].labels == (("version", "1"),)
