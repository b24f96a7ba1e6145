"""Every message that a person can get for a configuration, in full."""

# ruff: noqa: E501 (messages are compared as they are printed)

from __future__ import annotations

import pytest

from headgate.config import load
from headgate.config.model.middlewares import TYPES

# Name of the case, the file (called h.yaml; the variable SECRET holds a secret), and what is said about it.
CASES: dict[str, tuple[str, str]] = {
    "unknown key": (
        """\
listeners: { web: { bind: ':80' } }
lisners: {}
""",
        """\
h.yaml:2:1: error: lisners: "lisners" is not a key here
    did you mean "listeners"?
""",
    ),
    "unknown key without a near one": (
        """\
listeners: { web: { bind: ':80' } }
process: { zzzzz: 1 }
""",
        """\
h.yaml:2:12: error: process.zzzzz: "zzzzz" is not a key here
    known here: cancel_on_half_close, development, drain_timeout, group, hook_limit, log_level, memory_limit, pre_stop_delay, \
state, ticket_rotation, user, workers, zone
""",
    ),
    "less memory than a worker needs": (
        """\
listeners: { web: { bind: ':80' } }
process: { memory_limit: 64MiB }
""",
        """\
h.yaml:2:26: error: process.memory_limit: "64MiB" is less than a worker may need for itself
    write 128MiB or more, or off
""",
    ),
    "key of a later version": (
        """\
listeners: { web: { bind: ':80' } }
certificates: []
""",
        """\
h.yaml:2:1: error: certificates: "certificates" is not supported by this version yet
    remove it
""",
    ),
    "http3 of a later version": (
        """\
listeners: { web: { bind: ':443', http3: on } }
""",
        """\
h.yaml:1:35: error: listeners.web.http3: "http3" is not supported by this version yet
    remove it
""",
    ),
    "a probe that cannot be": (
        """\
listeners: { web: { bind: ':80' } }
services:
  api:
    endpoints: [{ address: '127.0.0.1:1', backup: true }]
    health_check: { type: tcp, path: /x }
  web: { endpoints: ['127.0.0.1:1'], health_check: { path: x, statuses: 2x }, outliers: { latency: 1 } }
routes: [{ name: r, service: api }, { name: s, service: web }]
""",
        """\
h.yaml:4:5: error: services.api.endpoints: all endpoints are spares, and of none
    remove `backup: true` from one
h.yaml:5:32: error: services.api.health_check.path: path is for probes of `type: http`, and these are tcp
    write `type: http`, or remove it
h.yaml:6:60: error: services.web.health_check.path: "x" is no path
    begin it with a slash, such as /healthz
h.yaml:6:73: error: services.web.health_check.statuses: "2x" is no status
    write for example 200, 200-299 or 2xx
h.yaml:6:100: error: services.web.outliers.latency: "1" is neither off nor a number above 1, up to 1000
    write for example 5
""",
    ),
    "subsets, zones and tiers that cannot be": (
        """\
process: { zone: 'a b' }
listeners: { web: { bind: ':80' } }
services:
  api:
    endpoints: [{ address: '127.0.0.1:1', labels: { version: v1 }, priority: 16 }, '127.0.0.1:2']
    subset_fallback: all
  web: { endpoints: ['127.0.0.1:1'] }
routes:
  - { name: r, service: api, subset: { version: v3 } }
  - { name: s, services: [{ service: api, subset: { version: v1 } }, { service: web, subset: { a: b } }] }
  - { name: t, subset: { version: v1 }, services: [{ service: api }, { service: web }] }
""",
        """\
h.yaml:1:18: error: process.zone: "a b" is not a name
    use letters, digits, hyphens, underscores and dots; begin with a letter or digit; at most 128 characters
h.yaml:5:78: error: services.api.endpoints[0].priority: "16" is not between 0 and 15
h.yaml:6:22: error: services.api.subset_fallback: "all" is not none or any
h.yaml:9:30: error: routes[0].subset: no endpoint of "api" has the labels { version: v3 }
    its labels are version: v1
h.yaml:10:86: error: routes[1].services[1].subset: no endpoint of "web" has the labels { a: b }
    give some of them `labels: { a: b }`
h.yaml:11:16: error: routes[2].subset: there is no one service of which it could be a part
    write `service`, or a subset at each of `services`
""",
    ),
    "sessions that cannot be learned": (
        """\
listeners: { web: { bind: ':80' } }
services:
  api: { endpoints: ['127.0.0.1:1'], sticky: { learn: 'a b' } }
  web: { endpoints: ['127.0.0.1:1'], sticky: { learn: SID, by: cookie, secret: "${SECRET}0123456789" } }
  old: { endpoints: ['127.0.0.1:1'], sticky: learn }
routes: [{ name: r, service: api }, { name: s, service: web }, { name: t, service: old }]
""",
        """\
h.yaml:3:55: error: services.api.sticky.learn: "a b" is no name of a cookie or header
    write letters, digits and dashes, such as shop-session
h.yaml:4:60: error: services.web.sticky.by: what is learned is in a cookie of the service itself: Headgate sets none
    remove it, or `learn`
h.yaml:4:72: error: services.web.sticky.secret: what is learned is in a cookie of the service itself: Headgate sets none
    remove it, or `learn`
h.yaml:5:46: error: services.old.sticky: "learn" is not cookie or header
""",
    ),
    "balance of a later version": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'], balance: sticky } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:57: error: services.api.balance: "sticky" is not supported by this version yet
    write round_robin, random, least_requests, power_of_two, least_time, first_available, ip_hash, consistent_hash or rendezvous
""",
    ),
    "a session with two secrets": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'], sticky: { secret: a-long-random-text, secret_file: s } } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:86: error: services.api.sticky.secret_file: there are two secrets
    remove secret or secret_file
""",
    ),
    "a session by header with attributes of a cookie": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'], sticky: { by: header, domain: a.example } } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:70: error: services.api.sticky.domain: a header has no such thing
    write `by: cookie`, or remove it
""",
    ),
    "a session with a secret that can be guessed": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'], sticky: { secret: "${SECRET}" } } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:66: error: services.api.sticky.secret: "${SECRET}" is shorter than 16 bytes
""",
    ),
    "two shares of one name": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  services: [{ service: api, weight: 2 }, { service: api }]
""",
        """\
h.yaml:5:54: error: routes[0].services[1].service: "api" is already the name of a share of this route
    remove one of the two, or give it another `name`
""",
    ),
    "a key to choose by, and nothing to choose from": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, service: api, sticky: client }]
""",
        """\
h.yaml:3:35: error: routes[0].sticky: there is nothing to choose from: the route has no two services
    write `services` with two or more, or remove it
""",
    ),
    "a mirror of the route's own service": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, service: api, mirror: { service: api } }]
""",
        """\
h.yaml:3:54: error: routes[0].mirror.service: "api" is a service of the route itself: it would get everything twice
    name another service
""",
    ),
    "a mirror of more than everything": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] }, next: { endpoints: ['127.0.0.1:2'] } }
routes: [{ name: r, service: api, mirror: { service: next, percent: 101 } }]
""",
        """\
h.yaml:3:69: error: routes[0].mirror.percent: "101" is no part from above 0 to 100 percent
    write for example 10 or 0.5%
""",
    ),
    "a mirror with the PROXY protocol": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] }, next: { endpoints: ['127.0.0.1:2'], proxy_protocol: v1 } }
routes: [{ name: r, service: api, mirror: { service: next } }]
""",
        """\
h.yaml:3:54: error: routes[0].mirror.service: "next" wants the PROXY protocol, and a copy is no client's own
    name a service without proxy_protocol
""",
    ),
    "a rollout that cannot be": (
        """\
listeners: { web: { bind: ':80' } }
services: { a: { endpoints: ['127.0.0.1:1'] }, b: { endpoints: ['127.0.0.1:2'] } }
routes:
  - name: r
    match: { path: /r }
    services: [{ service: a }, { service: b, weight: 0, name: next }]
    rollout: { to: b, steps: [{ weight: 10%, for: 1m }, { weight: 10%, for: 1m }] }
  - { name: s, match: { path: /s }, service: a, rollout: { to: a, steps: [{ weight: 5, for: 1m }] } }
  - name: t
    match: { path: /t }
    services: [{ service: a, weight: 0 }, { service: b, weight: 1 }]
    rollout: { to: b, steps: [{ weight: 50%, for: 1m }] }
""",
        """\
h.yaml:7:20: error: routes[0].rollout.to: "b" is no share of this route
    name one of a, next
h.yaml:7:67: error: routes[0].rollout.steps[1].weight: "10%" is not more than the step before
    write steps that grow, such as 1%, 10%, 50%, 100%
h.yaml:8:49: error: routes[1].rollout: there is nothing to grow at the cost of: the route has no two services
    write `services` with two or more, or remove it
h.yaml:12:5: error: routes[2].rollout: the other shares have weight 0: nobody gets what it does not get
    give one of them a weight
""",
    ),
    "values of a rollout": (
        """\
listeners: { web: { bind: ':80' } }
services: { a: { endpoints: ['127.0.0.1:1'] }, b: { endpoints: ['127.0.0.1:2'] } }
routes:
  - name: r
    services: [{ service: a }, { service: b }]
    rollout: { to: b, steps: [{ weight: 101%, for: 1m }], max_error_ratio: -1, p99: 0.5, minimum: 0, start: now }
  - { name: s, services: [{ service: a }, { service: b }], rollout: { to: b, steps: [] } }
""",
        """\
h.yaml:6:41: error: routes[0].rollout.steps[0].weight: "101%" is no part from above 0 to 100 percent
    write for example 10 or 0.5%
h.yaml:6:76: error: routes[0].rollout.max_error_ratio: "-1" is no part from 0% to 100%
    write for example 1%
h.yaml:6:85: error: routes[0].rollout.p99: "0.5" is no factor from 1 to 1000
    write for example 1.5
h.yaml:6:99: error: routes[0].rollout.minimum: "0" is not between 1 and 1000000000
h.yaml:6:109: error: routes[0].rollout.start: "now" is not order or file
h.yaml:7:85: error: routes[1].rollout.steps: has no step, or more than 100
    write for example `[{ weight: 10%, for: 10m }]`
""",
    ),
    "a fault that is none": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, service: api, fault: { percent: 5 } }]
""",
        """\
h.yaml:3:35: error: routes[0].fault: it does not say what goes wrong
    write delay, abort or slow_body
""",
    ),
    "a fault of a route without a service": (
        """\
listeners: { web: { bind: ':80' } }
routes: [{ name: r, respond: {}, fault: { abort: 503 } }]
""",
        """\
h.yaml:2:34: error: routes[0].fault: nothing can go wrong: the route answers itself
    remove it, or write a service
""",
    ),
    "a fault that contradicts itself": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, service: api, fault: { abort: 503, slow_body: 1KiB/s } }]
""",
        """\
h.yaml:3:56: error: routes[0].fault.slow_body: an answer that no service gives is not slow
    remove abort or slow_body
""",
    ),
    "a fault that is answered with success": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, service: api, fault: { abort: 200 } }]
""",
        """\
h.yaml:3:51: error: routes[0].fault.abort: "200" is not between 400 and 599
""",
    ),
    "a mirror of nothing": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, respond: {}, mirror: { service: api } }]
""",
        """\
h.yaml:3:34: error: routes[0].mirror: there is nothing to copy: the route answers itself
    remove it, or write a service
""",
    ),
    "retry on something unknown": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, service: api, retry: { on: [connect, gateway_error] } }]
""",
        """\
h.yaml:3:58: error: routes[0].retry.on[1]: "gateway_error" is nothing that is tried again
    write connect, refused, reset, timeout, a status such as 503, 4xx, 5xx, or one of gRPC such as grpc:unavailable
""",
    ),
    "retry on a status that is a success": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, service: api, retry: { on: 200 } }]
""",
        """\
h.yaml:3:48: error: routes[0].retry.on: "200" is nothing that is tried again
    write connect, refused, reset, timeout, a status such as 503, 4xx, 5xx, or one of gRPC such as grpc:unavailable
""",
    ),
    "retry on an unknown status of gRPC": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, service: api, retry: { methods: POST, on: 'grpc:unavailble' } }]
""",
        """\
h.yaml:3:63: error: routes[0].retry.on: "grpc:unavailble" is no status of gRPC for a failure
    did you mean "unavailable"?
""",
    ),
    "retry of gRPC without POST": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, service: api, retry: { on: 'grpc:unavailable' } }]
""",
        """\
h.yaml:3:42: error: routes[0].retry: has statuses of gRPC, whose calls are POST, which is not tried again
    add methods: [POST], if all calls of this route may be made twice
""",
    ),
    "retry of a method that needs no leave": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, service: api, retry: { methods: [GET] } }]
""",
        """\
h.yaml:3:54: error: routes[0].retry.methods[0]: "GET" is not POST or PATCH
""",
    ),
    "hedge after a low percentile": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, service: api, hedge: p10 }]
""",
        """\
h.yaml:3:42: error: routes[0].hedge: "p10" is below p50
    write for example p95: most requests must not be sent twice
""",
    ),
    "hedge after something else": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, service: api, hedge: { after: px } }]
""",
        """\
h.yaml:3:51: error: routes[0].hedge.after: "px" is neither a percentile nor a time
    write for example p95 or 50ms
""",
    ),
    "budget of hedges out of range": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, service: api, hedge: { after: p95, budget: 120% } }]
""",
        """\
h.yaml:3:64: error: routes[0].hedge.budget: "120%" is no percentage
    write a number from 0 to 100, such as 20%
""",
    ),
    "retry budget out of range": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'], retry_budget: { percent: twenty } } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:73: error: services.api.retry_budget.percent: "twenty" is no percentage
    write a number from 0 to 100, such as 20%
""",
    ),
    "middleware of a later version": (
        """\
listeners: { web: { bind: ':80' } }
middlewares: { m: { type: wasm } }
routes: [{ name: r, middlewares: [m], respond: {} }]
""",
        """\
h.yaml:2:27: error: middlewares.m.type: "wasm" is not supported by this version yet
    remove this middleware
""",
    ),
    "unknown type of middleware": (
        """\
listeners: { web: { bind: ':80' } }
middlewares: { m: { type: strip_prefx, prefix: /a } }
routes: [{ name: r, middlewares: [m], respond: {} }]
""",
        """\
h.yaml:2:27: error: middlewares.m.type: "strip_prefx" is not a type of middleware
    did you mean "strip_prefix"?
""",
    ),
    "middleware without a type": (
        """\
listeners: { web: { bind: ':80' } }
middlewares: { m: { prefix: /a } }
routes: [{ name: r, middlewares: [m], respond: {} }]
""",
        f"""\
h.yaml:2:19: error: middlewares.m: "type" is missing
    write one of {", ".join(TYPES)}
""",
    ),
    "key of another middleware": (
        """\
listeners: { web: { bind: ':80' } }
middlewares: { m: { type: add_prefix, prefix: /a, prefx: 1 } }
routes: [{ name: r, middlewares: [m], respond: {} }]
""",
        """\
h.yaml:2:51: error: middlewares.m.prefx: "prefx" is not a key here
    did you mean "prefix"?
""",
    ),
    "prefix with a slash at its end": (
        """\
listeners: { web: { bind: ':80' } }
middlewares: { m: { type: add_prefix, prefix: /a/ } }
routes: [{ name: r, middlewares: [m], respond: {} }]
""",
        """\
h.yaml:2:47: error: middlewares.m.prefix: "/a/" ends with "/"
    write /a
""",
    ),
    "no listeners": (
        """\
routes: []
""",
        """\
h.yaml:1:1: error: "listeners" is missing
    write for example `listeners: { web: { bind: 0.0.0.0:8080 } }`
""",
    ),
    "empty listeners": (
        """\
listeners: {}
""",
        """\
h.yaml:1:12: error: listeners: there is no listener, so that nothing can be served
    write for example `listeners: { web: { bind: 0.0.0.0:8080 } }`
""",
    ),
    "nothing at all": (
        "",
        """\
h.yaml:1:1: error: "listeners" is missing
    write for example `listeners: { web: { bind: 0.0.0.0:8080 } }`
""",
    ),
    "a list as the file": (
        """\
- a
- b
""",
        """\
h.yaml:1:1: error: the file is a list, where a mapping of keys is needed
    write `key: value`, one on each line
""",
    ),
    "a text as the file": (
        """\
hello
""",
        """\
h.yaml:1:1: error: "hello" is a text, where a mapping of keys is needed
    write `key: value`, one on each line
""",
    ),
    "a key missing": (
        """\
listeners: { web: {} }
""",
        """\
h.yaml:1:19: error: listeners.web: "bind" is missing
    write for example `bind: 0.0.0.0:8080`
""",
    ),
    "no value": (
        """\
listeners:
  web:
    bind:
""",
        """\
h.yaml:3:10: error: listeners.web.bind: has no value
    write one, or remove the key
""",
    ),
    "a list for a mapping": (
        """\
listeners: { web: { bind: ':80' } }
process: [1]
""",
        """\
h.yaml:2:10: error: process: is a list, where a mapping of keys is needed
    write `key: value`, one on each line
""",
    ),
    "a text for a mapping": (
        """\
listeners: { web: { bind: ':80' } }
process: fast
""",
        """\
h.yaml:2:10: error: process: "fast" is a text, where a mapping of keys is needed
    write `key: value`, one on each line
""",
    ),
    "a mapping for a list": (
        """\
listeners: { web: { bind: ':80' } }
routes: { a: { service: b } }
""",
        """\
h.yaml:2:9: error: routes: is a mapping, where a list is needed
    write [a, b], or one item a line after `- `
""",
    ),
    "a text for a list": (
        """\
listeners: { web: { bind: ':80' } }
routes: all
""",
        """\
h.yaml:2:9: error: routes: "all" is a text, where a list is needed
    write [a, b], or one item a line after `- `
""",
    ),
    "a list for a text": (
        """\
listeners: { web: { bind: [':80', ':81'] } }
""",
        """\
h.yaml:1:27: error: listeners.web.bind: is a list, where a text is needed
""",
    ),
    "a boolean for a text": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { headers: { x-debug: true } }
""",
        """\
h.yaml:6:32: error: routes[0].match.headers.x-debug: "true" is true or false, where a text is needed
    put it in quotes: "true"
""",
    ),
    "a name with a space": (
        """\
listeners: { 'my web': { bind: ':80' } }
""",
        """\
h.yaml:1:14: error: listeners["my web"]: "my web" is not a name
    use letters, digits, hyphens, underscores and dots; begin with a letter or digit; at most 128 characters
""",
    ),
    "workers as a word": (
        """\
listeners: { web: { bind: ':80' } }
process: { workers: many }
""",
        """\
h.yaml:2:21: error: process.workers: "many" is neither auto nor a number
    write auto, or a number from 1 to 64
""",
    ),
    "too many workers": (
        """\
listeners: { web: { bind: ':80' } }
process: { workers: 1000 }
""",
        """\
h.yaml:2:21: error: process.workers: "1000" is not between 1 and 64
""",
    ),
    "workers as a fraction": (
        """\
listeners: { web: { bind: ':80' } }
process: { workers: 1.5 }
""",
        """\
h.yaml:2:21: error: process.workers: "1.5" is not a whole number
    write a number from 1 to 64
""",
    ),
    "a duration without a unit": (
        """\
listeners: { web: { bind: ':80' } }
process: { drain_timeout: 30 }
""",
        """\
h.yaml:2:27: error: process.drain_timeout: "30" has no unit
    write 30s for seconds or 30ms for milliseconds
""",
    ),
    "no duration": (
        """\
listeners: { web: { bind: ':80' } }
timeouts: { connect: soon }
""",
        """\
h.yaml:2:22: error: timeouts.connect: "soon" is not a duration
    write numbers with units (d, h, m, s, ms), such as 5s, 250ms or 1m30s
""",
    ),
    "a duration in disorder": (
        """\
listeners: { web: { bind: ':80' } }
timeouts: { connect: 1s1m }
""",
        """\
h.yaml:2:22: error: timeouts.connect: "1s1m" names its units twice or not from the largest down
    write it like 1h30m or 1m30s
""",
    ),
    "a duration that cannot be off": (
        """\
listeners: { web: { bind: ':80' } }
timeouts: { head: off }
""",
        """\
h.yaml:2:19: error: timeouts.head: "off" cannot be switched off
    write a value above zero
""",
    ),
    "no size": (
        """\
listeners: { web: { bind: ':80' } }
limits: { body_size: big }
""",
        """\
h.yaml:2:22: error: limits.body_size: "big" is not a size
    write a number of bytes, or a number with a unit, such as 512B, 64KiB, 1MiB or 10MB
""",
    ),
    "half a unit of size": (
        """\
listeners: { web: { bind: ':80' } }
limits: { body_size: 10M }
""",
        """\
h.yaml:2:22: error: limits.body_size: "10M" is not a size
    write 10MiB (powers of 1024) or 10MB (powers of 1000)
""",
    ),
    "half a byte": (
        """\
listeners: { web: { bind: ':80' } }
limits: { body_size: 0.5B }
""",
        """\
h.yaml:2:22: error: limits.body_size: "0.5B" is not a whole number of bytes
    write a number of bytes, or a number with a unit, such as 512B, 64KiB, 1MiB or 10MB
""",
    ),
    "no rate": (
        """\
listeners: { web: { bind: ':80' } }
limits: { minimum_rate: 240 }
""",
        """\
h.yaml:2:25: error: limits.minimum_rate: "240" is not a rate
    write a size for each second, minute or hour, such as 240B/s or 1MiB/m
""",
    ),
    "a switch": (
        """\
listeners: { web: { bind: ':80' } }
process: { cancel_on_half_close: off }
""",
        """\
h.yaml:2:34: error: process.cancel_on_half_close: "off" is not true or false
    write false
""",
    ),
    "a switch as a number": (
        """\
listeners: { web: { bind: ':80' } }
process: { cancel_on_half_close: 1 }
""",
        """\
h.yaml:2:34: error: process.cancel_on_half_close: "1" is not true or false
    write true or false
""",
    ),
    "a count": (
        """\
listeners: { web: { bind: ':80', socket: { backlog: 0 } } }
""",
        """\
h.yaml:1:53: error: listeners.web.socket.backlog: "0" is not between 1 and 1000000000
""",
    ),
    "permissions": (
        """\
listeners: { web: { bind: 'unix:/a', socket: { mode: 660 } } }
""",
        """\
h.yaml:1:54: error: listeners.web.socket.mode: "660" is no set of permissions
    write octal digits with a zero in front, such as 0660
""",
    ),
    "a key where none is asked for": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'], balance: { algorithm: random, key: path, bounded_load: 2 } } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:78: error: services.api.balance.key: random takes no notice of it
    write `algorithm: consistent_hash`, or remove it
h.yaml:2:89: error: services.api.balance.bounded_load: random takes no notice of it
    write `algorithm: consistent_hash`, or remove it
""",
    ),
    "a key that is none": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'], balance: { algorithm: rendezvous, key: user } } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:87: error: services.api.balance.key: "user" is no key
    write client, path, header:NAME, cookie:NAME or query:NAME, such as header:x-user
""",
    ),
    "a bound that leaves requests without an endpoint": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'], balance: { algorithm: ip_hash, bounded_load: 1 } } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:93: error: services.api.balance.bounded_load: "1" is neither off nor a number above 1, up to 100
    write for example 1.25
""",
    ),
    "one of some words": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'], balance: roundrobin } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:57: error: services.api.balance: "roundrobin" is not round_robin, random, least_requests, \
power_of_two, least_time, first_available, ip_hash, consistent_hash or rendezvous
    did you mean "round_robin"?
""",
    ),
    "access log as a switch": (
        """\
listeners: { web: { bind: ':80' } }
access_log: false
""",
        """\
h.yaml:2:13: error: access_log: "false" is not off
    write `access_log: off`
""",
    ),
    "access log on": (
        """\
listeners: { web: { bind: ':80' } }
access_log: on
""",
        """\
h.yaml:2:13: error: access_log: "on" says too little
    leave it out, or write a format: `access_log: { format: json }`
""",
    ),
    "access log without a value": (
        """\
listeners: { web: { bind: ':80' } }
access_log:
""",
        """\
h.yaml:2:12: error: access_log: has no value
    write off, or a format: `access_log: { format: json }`
""",
    ),
    "access log as a word": (
        """\
listeners: { web: { bind: ':80' } }
access_log: json
""",
        """\
h.yaml:2:13: error: access_log: "json" is neither off nor a mapping
    write off, or a format: `access_log: { format: json }`
""",
    ),
    "access log without a template": (
        """\
listeners: { web: { bind: ':80' } }
access_log: { format: template }
""",
        """\
h.yaml:2:13: error: access_log: "template" is missing
    write for example `template: "{client} {method} {path} {status}"`
""",
    ),
    "a template that is not used": (
        """\
listeners: { web: { bind: ':80' } }
access_log: { template: '{client}' }
""",
        """\
h.yaml:2:25: error: access_log.template: a template is used by `format: template` only
    write `format: template`, or remove the template
""",
    ),
    "a template with an unknown name": (
        """\
listeners: { web: { bind: ':80' } }
access_log: { format: template, template: '{clent}' }
""",
        """\
h.yaml:2:43: error: access_log.template: "{clent}" has a name that is in no record
    did you mean "client"?
""",
    ),
    "a place for records": (
        """\
listeners: { web: { bind: ':80' } }
access_log: { path: logs/access.log }
""",
        """\
h.yaml:2:21: error: access_log.path: "logs/access.log" is no place for records
    write stdout, stderr, an absolute path, syslog:/dev/log or syslog:udp:host:port
""",
    ),
    "a name for Via": (
        """\
listeners: { web: { bind: ':80' } }
forwarding: { via: my proxy }
""",
        """\
h.yaml:2:20: error: forwarding.via: "my proxy" is not a name for the Via field
    write one word, such as headgate, or off
""",
    ),
    "bind to a port": (
        """\
listeners: { web: { bind: 8080 } }
""",
        """\
h.yaml:1:27: error: listeners.web.bind: "8080" is a port without a host
    write :8080 or 127.0.0.1:8080
""",
    ),
    "bind without a port": (
        """\
listeners: { web: { bind: 127.0.0.1 } }
""",
        """\
h.yaml:1:27: error: listeners.web.bind: "127.0.0.1" has no port
    write host:port, :port, [::]:port, unix:/path or fd:number
""",
    ),
    "bind to a name": (
        """\
listeners: { web: { bind: 'example.com:80' } }
""",
        """\
h.yaml:1:27: error: listeners.web.bind: "example.com:80" has a name where an address of this machine is needed
    write the address in numbers, such as 127.0.0.1:8080 or [::1]:8080
""",
    ),
    "bind to a port that is too high": (
        """\
listeners: { web: { bind: ':80800' } }
""",
        """\
h.yaml:1:27: error: listeners.web.bind: ":80800" has no port from 0 to 65535 after its last colon
    write host:port, :port, [::]:port, unix:/path or fd:number
""",
    ),
    "bind to IPv6 without brackets": (
        """\
listeners: { web: { bind: '::1:80' } }
""",
        """\
h.yaml:1:27: error: listeners.web.bind: "::1:80" has an IPv6 address without brackets
    write it like [::1]:8080
""",
    ),
    "bind to a relative path": (
        """\
listeners: { web: { bind: 'unix:run/a.sock' } }
""",
        """\
h.yaml:1:27: error: listeners.web.bind: "unix:run/a.sock" does not name an absolute path
    write unix:/path or unix:@name
""",
    ),
    "bind to no descriptor": (
        """\
listeners: { web: { bind: 'fd:x' } }
""",
        """\
h.yaml:1:27: error: listeners.web.bind: "fd:x" names no descriptor
    write fd: and a number, such as fd:3
""",
    ),
    "two listeners on one address": (
        """\
listeners:
  a: { bind: '127.0.0.1:80' }
  b: { bind: ':80' }
""",
        """\
h.yaml:3:14: error: listeners.b.bind: ":80" is taken by listeners.a in line 2
    give each listener an address and port of its own
""",
    ),
    "an admin address for everybody": (
        """\
listeners: { web: { bind: ':80' } }
admin: { bind: '0.0.0.0:9080' }
""",
        """\
h.yaml:2:16: error: admin.bind: "0.0.0.0:9080" can be reached from other machines, and there is no token
    write 127.0.0.1:9080, [::1]:9080 or a unix socket, or set token_file
""",
    ),
    "an admin address that a listener has": (
        """\
listeners: { web: { bind: ':80' } }
admin: { bind: '127.0.0.1:80' }
""",
        """\
h.yaml:2:16: error: admin.bind: "127.0.0.1:80" is taken by listeners.web in line 1
    give each listener an address and port of its own
""",
    ),
    "a range with bits set": (
        """\
listeners: { web: { bind: ':80' } }
trusted_proxies: [10.0.0.1/8]
""",
        """\
h.yaml:2:19: error: trusted_proxies[0]: "10.0.0.1/8" has bits set behind its prefix
    write 10.0.0.0/8, or a single address without /
""",
    ),
    "no range": (
        """\
listeners: { web: { bind: ':80' } }
trusted_proxies: [10.0.0]
""",
        """\
h.yaml:2:19: error: trusted_proxies[0]: "10.0.0" is not a range of addresses
    write it like 10.0.0.0/8, fd00::/8 or 192.0.2.1
""",
    ),
    "unknown service": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: apo
""",
        """\
h.yaml:5:12: error: routes[0].service: "apo" is no service of this file
    did you mean "api"?
""",
    ),
    "unknown service without any": (
        """\
listeners: { web: { bind: ':80' } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:30: error: routes[0].service: "api" is no service of this file
    add it under services
""",
    ),
    "unknown listener": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  listeners: [wbe]
""",
        """\
h.yaml:6:15: error: routes[0].listeners[0]: "wbe" is no listener of this file
    did you mean "web"?
""",
    ),
    "unknown middleware": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  middlewares: [strip]
""",
        """\
h.yaml:6:17: error: routes[0].middlewares[0]: "strip" is no middleware of this file
    add it under middlewares
""",
    ),
    "unknown service among several": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  services: [{ service: api }, { service: apj, weight: 2 }]
""",
        """\
h.yaml:5:43: error: routes[0].services[1].service: "apj" is no service of this file
    did you mean "api"?
""",
    ),
    "a name defined twice": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
- name: r
  respond: {}
""",
        """\
h.yaml:6:9: error: routes[1].name: "r" is already the name of the route in line 4
    give each route a name of its own
""",
    ),
    "a key twice": (
        """\
listeners: { web: { bind: ':80' } }
listeners: {}
""",
        """\
h.yaml:2:1: error: the key "listeners" stands here twice, first in line 1, column 1
    remove one of the two
""",
    ),
    "no action": (
        """\
listeners: { web: { bind: ':80' } }
routes:
- name: r
  match: { host: a.example }
""",
        """\
h.yaml:3:3: error: routes[0]: the route does nothing
    write one of service, services, redirect and respond
""",
    ),
    "two actions": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  respond: {}
""",
        """\
h.yaml:6:3: error: routes[0].respond: the route has service and respond, one is possible
    remove service or respond
""",
    ),
    "weights all 0": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  services: [{ service: api, weight: 0 }]
""",
        """\
h.yaml:5:13: error: routes[0].services: all weights are 0, so that nothing can be chosen
    give one of them a weight above 0
""",
    ),
    "a weight below 0": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: [{ address: '127.0.0.1:1', weight: -1 }] } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:66: error: services.api.endpoints[0].weight: "-1" is not between 0 and 1000000
""",
    ),
    "no services": (
        """\
listeners: { web: { bind: ':80' } }
routes:
- name: r
  services: []
""",
        """\
h.yaml:4:13: error: routes[0].services: the list is empty
    write at least one
""",
    ),
    "a service without endpoints": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: [] } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:31: error: services.api.endpoints: the service has no endpoints
    write for example `endpoints: [127.0.0.1:9001]`
""",
    ),
    "an endpoint twice": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1', '127.0.0.1:1'] } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:47: error: services.api.endpoints[1]: "127.0.0.1:1" is already an endpoint of this service
    remove it, or give the first one a higher weight
""",
    ),
    "an endpoint as a URL": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['http://app/api'] } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:32: error: services.api.endpoints[0]: "http://app/api" has a path; endpoints are addresses
    write http://app, and change paths in a route
""",
    ),
    "an endpoint without a port": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: [app] } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:32: error: services.api.endpoints[0]: "app" has no port
    write host:port, [::1]:port, unix:/path or https://host
""",
    ),
    "an endpoint with a bad host": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['a b:80'] } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:32: error: services.api.endpoints[0]: "a b:80" has a host that is neither an address nor a name
    write host:port, [::1]:port, unix:/path or https://host
""",
    ),
    "a host for upstream with a wildcard": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['a:80'], host: '*.example' } }
routes: [{ name: r, service: api }]
""",
        """\
h.yaml:2:47: error: services.api.host: "*.example" has a wildcard
    write one host
""",
    ),
    "a host with a port": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { host: 'example.com:80' }
""",
        """\
h.yaml:6:18: error: routes[0].match.host: "example.com:80" has a port; the host is matched without it
    write example.com
""",
    ),
    "a host as a URL": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { host: 'https://example.com/' }
""",
        """\
h.yaml:6:18: error: routes[0].match.host: "https://example.com/" is a URL, not a host
    write example.com
""",
    ),
    "any host": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { host: '*' }
""",
        """\
h.yaml:6:18: error: routes[0].match.host: "*" is any host
    leave `host` out to match any host
""",
    ),
    "a host with an inner wildcard": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { host: 'api.*.com' }
""",
        """\
h.yaml:6:18: error: routes[0].match.host: "api.*.com" has "*" elsewhere than as the whole first label
    write it like "*.example.com"
""",
    ),
    "a host in another script": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { host: 'bücher.example' }
""",
        """\
h.yaml:6:18: error: routes[0].match.host: "bücher.example" has letters that a Host field cannot carry
    write xn--bcher-kva.example
""",
    ),
    "a path without a slash": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { path: v1/* }
""",
        """\
h.yaml:6:18: error: routes[0].match.path: "v1/*" does not start with "/"
    write /v1/*, or ~ and a regular expression
""",
    ),
    "a path with an inner wildcard": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { path: '/a/*/b' }
""",
        """\
h.yaml:6:18: error: routes[0].match.path: "/a/*/b" has "*" elsewhere than as the last segment
    write /prefix/*, or a regular expression such as ~ ^/v[0-9]+/
""",
    ),
    "a path with a query": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { path: '/a?b=1' }
""",
        """\
h.yaml:6:18: error: routes[0].match.path: "/a?b=1" has a "?"; the query is no part of the path
    use match.query for the query
""",
    ),
    "a path with dots": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { path: '/a/../b' }
""",
        """\
h.yaml:6:18: error: routes[0].match.path: "/a/../b" has a segment "." or ".."; such paths are resolved before they are matched
    write the resolved path
""",
    ),
    "a path with a space": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { path: '/a b' }
""",
        """\
h.yaml:6:18: error: routes[0].match.path: "/a b" has a space or a control character
    write %20 for a space
""",
    ),
    "a path with a bad triplet": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { path: '/a%zz' }
""",
        """\
h.yaml:6:18: error: routes[0].match.path: "/a%zz" has a "%" without two hexadecimal digits
    write %25 for a plain %
""",
    ),
    "a regular expression that is not closed": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { path: '~ ^/(a' }
""",
        """\
h.yaml:6:18: error: routes[0].match.path: "~ ^/(a" is not a regular expression: missing )
    close the parenthesis, or write \\( for a plain one
""",
    ),
    "a regular expression with look-ahead": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { path: '~ ^/(?!admin)' }
""",
        """\
h.yaml:6:18: error: routes[0].match.path: "~ ^/(?!admin)" is not a regular expression: invalid perl operator at character 3
    look-ahead, look-behind and back references do not exist in the linear-time engine; use a second route or another condition
""",
    ),
    "a regular expression with a back reference": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { path: '~ ^/(a)\\1' }
""",
        """\
h.yaml:6:18: error: routes[0].match.path: "~ ^/(a)\\\\1" is not a regular expression: invalid escape sequence at character 6
    back references do not exist in the linear-time engine; double a backslash for a plain one
""",
    ),
    "an empty regular expression": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { path: '~' }
""",
        """\
h.yaml:6:18: error: routes[0].match.path: "~" has no regular expression after ~
    write it like "~ ^/v[0-9]+/"
""",
    ),
    "a method in small letters": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { method: get }
""",
        """\
h.yaml:6:20: error: routes[0].match.method: "get" is not in capitals; methods are case-sensitive
    write GET
""",
    ),
    "CONNECT": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { method: CONNECT }
""",
        """\
h.yaml:6:20: error: routes[0].match.method: "CONNECT" is refused on these listeners
    remove it
""",
    ),
    "a field name": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { headers: { 'x canary': a } }
""",
        """\
h.yaml:6:23: error: routes[0].match.headers["x canary"]: "x canary" is not the name of a header field
    use letters, digits and hyphens
""",
    ),
    "a condition with another key": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { headers: { x-canary: { presnt: true } } }
""",
        """\
h.yaml:6:33: error: routes[0].match.headers.x-canary: is a mapping with something else than `present`
    write a text, ~ and a regular expression, or { present: true }
""",
    ),
    "a condition as a list": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  match: { headers: { x-canary: [a, b] } }
""",
        """\
h.yaml:6:33: error: routes[0].match.headers.x-canary: is a list
    write a regular expression for several values: "~ ^(a|b)$"
""",
    ),
    "a redirect to itself": (
        """\
listeners: { web: { bind: ':80' } }
routes: [{ name: r, redirect: {} }]
""",
        """\
h.yaml:2:31: error: routes[0].redirect: the redirect leads back to where the request came from
    write at least one of scheme, host, port, path and query
""",
    ),
    "a redirect with an unknown name": (
        """\
listeners: { web: { bind: ':80' } }
routes: [{ name: r, redirect: { path: '/{id}' } }]
""",
        """\
h.yaml:2:39: error: routes[0].redirect.path: "/{id}" has a name "{id}" that is not known here
    known here: host, path, port, query, scheme
""",
    ),
    "a redirect with half a brace": (
        """\
listeners: { web: { bind: ':80' } }
routes: [{ name: r, redirect: { path: '/{id' } }]
""",
        """\
h.yaml:2:39: error: routes[0].redirect.path: "/{id" has a brace without its partner
    write names in braces, such as {host} or {path}
""",
    ),
    "a status of a redirect": (
        """\
listeners: { web: { bind: ':80' } }
routes: [{ name: r, redirect: { path: /a, status: 200 } }]
""",
        """\
h.yaml:2:51: error: routes[0].redirect.status: "200" is not a status for a redirect
    write 301, 302, 303, 307 or 308
""",
    ),
    "a status of a response": (
        """\
listeners: { web: { bind: ':80' } }
routes: [{ name: r, respond: { status: 99 } }]
""",
        """\
h.yaml:2:40: error: routes[0].respond.status: "99" is not between 200 and 599
""",
    ),
    "a body that cannot be": (
        """\
listeners: { web: { bind: ':80' } }
routes: [{ name: r, respond: { status: 204, body: hello } }]
""",
        """\
h.yaml:2:51: error: routes[0].respond.body: a response with status 204 has no body
    remove the body, or write another status
""",
    ),
    "a field of Headgate's own": (
        """\
listeners: { web: { bind: ':80' } }
routes: [{ name: r, respond: { headers: { Content-Length: 1 } } }]
""",
        """\
h.yaml:2:43: error: routes[0].respond.headers.Content-Length: "Content-Length" is written by Headgate itself
    remove it
""",
    ),
    "a field with a line break": (
        """\
listeners: { web: { bind: ':80' } }
routes: [{ name: r, respond: { headers: { x-a: "a\\nb" } } }]
""",
        """\
h.yaml:2:48: error: routes[0].respond.headers.x-a: "a\\x0ab" is not the value of a header field
    remove line breaks, control characters, outer spaces and characters outside of Latin-1
""",
    ),
    "attempts": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes:
- name: r
  service: api
  retry: { attempts: 100 }
""",
        """\
h.yaml:6:22: error: routes[0].retry.attempts: "100" is not between 1 and 10
""",
    ),
    "a service that no route uses": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
""",
        """\
h.yaml:2:13: warning: services.api: no route uses the service "api"
    use it in a route, or remove it
""",
    ),
    "a middleware that no route uses": (
        """\
listeners: { web: { bind: ':80' } }
middlewares: { m: { type: add_prefix, prefix: /a } }
""",
        """\
h.yaml:2:16: warning: middlewares.m: nothing uses the middleware "m"
    use it in a route, or remove it
""",
    ),
    "a middleware twice": (
        """\
listeners: { web: { bind: ':80' } }
middlewares: { m: { type: add_prefix, prefix: /a } }
routes: [{ name: r, middlewares: [m, m], respond: {} }]
""",
        """\
h.yaml:3:38: warning: routes[0].middlewares[1]: "m" stands twice in this route and runs twice
    remove one of the two
""",
    ),
    "a route that can never match": (
        """\
listeners: { web: { bind: ':80' } }
routes:
- { name: a, match: { path: /x/* }, respond: {} }
- { name: b, match: { path: /x/* }, respond: {} }
""",
        """\
h.yaml:4:3: warning: routes[1]: the route "b" can never match: "a" in line 3 takes all of its requests
    make one of them narrower, give this one a higher priority, or remove it
""",
    ),
    "a missing variable": (
        """\
listeners: { web: { bind: ':80' } }
admin: { bind: '${ADMIN_BIND}' }
""",
        """\
h.yaml:2:16: error: admin.bind: the variable ADMIN_BIND is not set
    set it, or write a default: ${ADMIN_BIND:-...}
""",
    ),
    "half a variable": (
        """\
listeners: { web: { bind: ':80' } }
admin: { bind: '${ADMIN' }
""",
        """\
h.yaml:2:16: error: admin.bind: "${ADMIN" is not a variable
    write ${NAME} or ${NAME:-default}, and $${ for a plain ${
""",
    ),
    "a value from a variable": (
        """\
listeners: { web: { bind: ':80' } }
admin: { bind: '${SECRET}' }
""",
        """\
h.yaml:2:16: error: admin.bind: "${SECRET}" has no port
""",
    ),
    "a reference from a variable": (
        """\
listeners: { web: { bind: ':80' } }
services: { api: { endpoints: ['127.0.0.1:1'] } }
routes: [{ name: r, service: '${SECRET}' }]
""",
        """\
h.yaml:3:30: error: routes[0].service: "${SECRET}" is no service of this file
    add it under services
""",
    ),
    "a list that is not closed": (
        """\
listeners: { web: { bind: [ }
""",
        """\
h.yaml:1:29: error: not YAML: a value is missing
    close what is open above with `]` or `}`
""",
    ),
    "a tab": (
        """\
listeners:
\tweb: 1
""",
        """\
h.yaml:2:1: error: not YAML: this character cannot begin a value
    put the value in quotes; indent with spaces, not tabs
""",
    ),
    "a colon too many": (
        """\
listeners: web: a
""",
        """\
h.yaml:1:15: error: not YAML: a key and its colon are not possible here
    indent keys of one mapping alike, and put values that contain ": " in quotes
""",
    ),
    "a text that is not closed": (
        """\
listeners: 'web
""",
        """\
h.yaml:2:1: error: not YAML: a quoted text is not closed (it began in line 1)
    write the closing quote
""",
    ),
    "a key without a colon": (
        """\
listeners:
  web: { bind: ':80' }
routes
""",
        """\
h.yaml:4:1: error: not YAML: a key has no colon (it began in line 3)
    write `key: value`, with a space after the colon
""",
    ),
    "an escape in double quotes": (
        """\
listeners: "\\d"
""",
        """\
h.yaml:1:13: error: not YAML: a backslash in double quotes begins an unknown escape
    use single quotes for texts with backslashes, such as regular expressions
""",
    ),
    "a tag": (
        """\
listeners: { web: { bind: ':80' } }
routes: !include routes.yaml
""",
        """\
h.yaml:2:9: error: routes: tags such as !name are not supported
    remove the tag
""",
    ),
    "an alias without an anchor": (
        """\
listeners: { web: { bind: ':80' } }
routes: *all
""",
        """\
h.yaml:2:9: error: no anchor &all comes before this alias
""",
    ),
    "two documents": (
        """\
listeners: { web: { bind: ':80' } }
---
routes: []
""",
        """\
h.yaml:2:1: error: a second document begins here
    keep one document in a file
""",
    ),
    "a control character": (
        """\
listeners: { web: { bind: ':80' } }
routes: \x07
""",
        """\
h.yaml:2:9: error: not YAML: a control character
    remove it, or write it as \\x.. in double quotes
""",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_message(case: str) -> None:
    text, expected = CASES[case]
    loaded = load("h.yaml", text=text, environ={"SECRET": "s3cret"})
    assert "".join(f"{problem}\n" for problem in loaded.problems) == expected
    assert (loaded.model is None) == (": error: " in expected)


@pytest.mark.parametrize("case", CASES)
def test_message_for_machines(case: str) -> None:
    text, _ = CASES[case]
    for problem in load("h.yaml", text=text, environ={"SECRET": "s3cret"}).problems:
        parts = problem.as_dict()
        assert parts["file"] == "h.yaml"
        assert parts["severity"] in {"error", "warning"}
        assert int(parts["line"]) >= 1
        assert int(parts["column"]) >= 1
        assert parts["message"]
        assert "s3cret" not in str(parts)
