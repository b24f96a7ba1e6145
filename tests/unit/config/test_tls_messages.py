"""What is said about TLS, HTTP/2 and the PROXY protocol in a file, in full."""

from __future__ import annotations

import pytest

from headgate.config import load

LISTENER = """\
listeners:
  web:
    bind: ':443'
    %s
routes: [{ name: r, service: s }]
services: { s: { endpoints: ['127.0.0.1:1'] } }
"""
SERVICE = """\
listeners: { web: { bind: ':80' } }
routes: [{ name: r, service: s }]
services:
  s:
    %s
"""

# What stands in the listener, and what is said about it.
LISTENER_CASES: dict[str, tuple[str, str]] = {
    "internal": (
        "tls: internal",
        "",
    ),
    "pairs": (
        "tls: { certificates: [{ cert: a.crt, key: a.key }] }",
        "",
    ),
    "neither internal nor a list": (
        "tls: site.crt",
        (
            'h.yaml:4:10: error: listeners.web.tls: "site.crt" is neither internal nor a list of '
            "certificates\n"
            "    write internal, or { certificates: [{ cert: site.crt, key: site.key }] }\n"
        ),
    ),
    "tls on": (
        "tls: on",
        (
            'h.yaml:4:10: error: listeners.web.tls: "on" is neither internal nor a list of certificates\n'
            "    write internal, or { certificates: [{ cert: site.crt, key: site.key }] }\n"
        ),
    ),
    "tls true": (
        "tls: true",
        (
            'h.yaml:4:10: error: listeners.web.tls: "true" is neither internal nor a list of certificates\n'
            "    write internal, or { certificates: [{ cert: site.crt, key: site.key }] }\n"
        ),
    ),
    "no certificates": (
        "tls: { min_version: 1.3 }",
        (
            'h.yaml:4:10: error: listeners.web.tls: "certificates" is missing\n'
            "    write for example `certificates: [{ cert: site.crt, key: site.key }]`\n"
        ),
    ),
    "an empty list of certificates": (
        "tls: { certificates: [] }",
        (
            "h.yaml:4:26: error: listeners.web.tls.certificates: is an empty list\n"
            "    write internal, or [{ cert: site.crt, key: site.key }]\n"
        ),
    ),
    "a certificate without its file": (
        "tls: { certificates: [{ key: a.key }] }",
        (
            'h.yaml:4:27: error: listeners.web.tls.certificates[0]: "cert" is missing\n'
            "    write for example `cert: site.crt`\n"
        ),
    ),
    "PEM in the file": (
        'tls: { certificates: [{ cert: "-----BEGIN CERTIFICATE-----" }] }',
        (
            'h.yaml:4:35: error: listeners.web.tls.certificates[0].cert: "-----BEGIN CERTIFICATE-----" '
            "is PEM text, where the path of a file is needed\n"
            "    write it into a file\n"
        ),
    ),
    "an unknown key of tls": (
        "tls:\n      certificates: [{ cert: a.crt, key: a.key }]\n      ciphers: HIGH",
        (
            'h.yaml:6:7: error: listeners.web.tls.ciphers: "ciphers" is not a key here\n'
            "    known here: certificates, client_certificates, min_version, profile, session_tickets, "
            "sites, strict_sni\n"
        ),
    ),
    "an unknown profile": (
        "tls:\n      certificates: [{ cert: a.crt, key: a.key }]\n      profile: modem",
        (
            'h.yaml:6:16: error: listeners.web.tls.profile: "modem" is not modern, intermediate or old\n'
            '    did you mean "modern"?\n'
        ),
    ),
    "a version below the profile": (
        "tls:\n      certificates: [{ cert: a.crt, key: a.key }]\n      min_version: 1.0",
        (
            "h.yaml:6:20: error: listeners.web.tls.min_version: the profile intermediate begins with TLS "
            "1.2\n"
            "    write `profile: old`, or a min_version from 1.2 on\n"
        ),
    ),
    "a version below modern": (
        (
            "tls:\n    "
            "  certificates: [{ cert: a.crt, key: a.key }]\n    "
            "  profile: modern\n    "
            "  min_version: 1.2"
        ),
        (
            "h.yaml:7:20: error: listeners.web.tls.min_version: the profile modern begins with TLS 1.3\n"
            "    write `profile: intermediate`, or a min_version from 1.3 on\n"
        ),
    ),
    "an unknown version": (
        "tls:\n      certificates: [{ cert: a.crt, key: a.key }]\n      min_version: 1.4",
        (
            'h.yaml:6:20: error: listeners.web.tls.min_version: "1.4" is not 1.0, 1.1, 1.2 or 1.3\n'
            '    did you mean "1.3"?\n'
        ),
    ),
    "strict_sni yes": (
        "tls:\n      certificates: [{ cert: a.crt, key: a.key }]\n      strict_sni: yes",
        'h.yaml:6:19: error: listeners.web.tls.strict_sni: "yes" is neither on nor off\n    write on\n',
    ),
    "client certificates without an authority": (
        "tls:\n      certificates: [{ cert: a.crt, key: a.key }]\n      client_certificates: require",
        (
            'h.yaml:6:28: error: listeners.web.tls.client_certificates: "ca" is missing\n'
            "    write for example `ca: clients-ca.crt`\n"
        ),
    ),
    "an unknown mode": (
        (
            "tls:\n    "
            "  certificates: [{ cert: a.crt, key: a.key }]\n    "
            "  client_certificates: { mode: requires, ca: ca.crt }"
        ),
        (
            'h.yaml:6:36: error: listeners.web.tls.client_certificates.mode: "requires" is not require, '
            "request or off\n"
            '    did you mean "require"?\n'
        ),
    ),
    "a site without an authority": (
        (
            "tls:\n    "
            "  certificates: [{ cert: a.crt, key: a.key }]\n    "
            "  sites: { a.example: { client_certificates: require } }"
        ),
        (
            'h.yaml:6:50: error: listeners.web.tls.sites["a.example"].client_certificates: "ca" is missing\n'
            "    write for example `ca: clients-ca.crt`\n"
        ),
    ),
    "a site with the listener's authority": (
        (
            "tls:\n    "
            "  certificates: [{ cert: a.crt, key: a.key }]\n    "
            "  client_certificates: { mode: off, ca: ca.crt }\n    "
            "  sites: { a.example: { client_certificates: require } }"
        ),
        "",
    ),
    "a site by address": (
        "tls:\n      certificates: [{ cert: a.crt, key: a.key }]\n      sites: { 127.0.0.1: {} }",
        (
            'h.yaml:6:16: error: listeners.web.tls.sites["127.0.0.1"]: "127.0.0.1" is an address; '
            "clients of TLS ask for names only\n"
            "    write a name\n"
        ),
    ),
    "a site with a bad name": (
        "tls:\n      certificates: [{ cert: a.crt, key: a.key }]\n      sites: { 'a..example': {} }",
        (
            'h.yaml:6:16: error: listeners.web.tls.sites["a..example"]: "a..example" is not a host name\n'
            '    write it like api.example.com or "*.example.com"\n'
        ),
    ),
    "a field that Headgate writes": (
        (
            "tls:\n    "
            "  certificates: [{ cert: a.crt, key: a.key }]\n    "
            "  client_certificates: { ca: ca.crt, headers: { Host: subject } }"
        ),
        (
            'h.yaml:6:53: error: listeners.web.tls.client_certificates.headers.Host: "Host" is written '
            "by Headgate itself\n"
            "    take another name\n"
        ),
    ),
    "an unknown fact": (
        (
            "tls:\n    "
            "  certificates: [{ cert: a.crt, key: a.key }]\n    "
            "  client_certificates: { ca: ca.crt, headers: { X-Who: subjekt } }"
        ),
        (
            'h.yaml:6:60: error: listeners.web.tls.client_certificates.headers.X-Who: "subjekt" is not '
            "hash, subject, issuer, serial, uri, dns, not_after, cert or chain\n"
            '    did you mean "subject"?\n'
        ),
    ),
    "an unknown fact to forward": (
        (
            "tls:\n    "
            "  certificates: [{ cert: a.crt, key: a.key }]\n    "
            "  client_certificates: { ca: ca.crt, forward: [hash, issuer] }"
        ),
        (
            'h.yaml:6:58: error: listeners.web.tls.client_certificates.forward[1]: "issuer" is not hash, '
            "subject, uri, dns, cert or chain\n"
        ),
    ),
    "forward off": (
        (
            "tls:\n    "
            "  certificates: [{ cert: a.crt, key: a.key }]\n    "
            "  client_certificates: { ca: ca.crt, forward: off }"
        ),
        "",
    ),
    "a depth out of bounds": (
        (
            "tls:\n    "
            "  certificates: [{ cert: a.crt, key: a.key }]\n    "
            "  client_certificates: { ca: ca.crt, depth: 21 }"
        ),
        'h.yaml:6:49: error: listeners.web.tls.client_certificates.depth: "21" is not between 0 and 20\n',
    ),
    "a redirect to where one is": (
        "tls: internal\n    https_redirect: on",
        (
            "h.yaml:5:5: error: listeners.web.https_redirect: this listener speaks TLS, so that its "
            "requests have https already\n"
            "    set it on the listener in clear\n"
        ),
    ),
    "a redirect that is off": (
        "tls: internal\n    https_redirect: off",
        "",
    ),
    "a redirect with a bad status": (
        "https_redirect: { status: 303 }",
        (
            'h.yaml:4:31: error: listeners.web.https_redirect.status: "303" is not a status for a redirect\n'
            "    write 301, 302, 307 or 308\n"
        ),
    ),
    "hsts without tls": (
        "hsts: on",
        (
            "h.yaml:4:5: error: listeners.web.hsts: browsers ignore the field on a listener without TLS\n"
            "    set it on the listener with TLS\n"
        ),
    ),
    "hsts without tls but off": (
        "hsts: { enabled: off }",
        "",
    ),
    "hsts for the list of browsers": (
        "tls: internal\n    hsts: { preload: on }",
        (
            "h.yaml:5:22: warning: listeners.web.hsts.preload: browsers take names into their list with "
            "subdomains and for a year at least\n"
            "    write `include_subdomains: on` and a max_age from 365d on\n"
        ),
    ),
    "hsts for the list of browsers, as they want it": (
        "tls: internal\n    hsts: { preload: on, include_subdomains: on, max_age: 365d }",
        "",
    ),
    "http2 of another kind": (
        "http2: maybe",
        'h.yaml:4:12: error: listeners.web.http2: "maybe" is neither on nor off\n    write on or off\n',
    ),
    "http2 without streams": (
        "http2: { max_streams: 0 }",
        'h.yaml:4:27: error: listeners.web.http2.max_streams: "0" is not between 1 and 1000000000\n',
    ),
    "a window of a stream smaller than a frame": (
        "http2: { window_size: 1KiB }",
        'h.yaml:4:27: error: listeners.web.http2.window_size: "1KiB" is not between 16KiB and 1GiB\n',
    ),
    "a window of a connection smaller than it begins": (
        "http2: { window_size: 32KiB, window_budget: 32KiB }",
        'h.yaml:4:49: error: listeners.web.http2.window_budget: "32KiB" is not between 64KiB and 1GiB\n',
    ),
    "the PROXY protocol from nobody": (
        "proxy_protocol: { timeout: 1s }",
        (
            'h.yaml:4:21: error: listeners.web.proxy_protocol: "from" is missing\n'
            "    write for example `from: [10.0.0.0/8]`\n"
        ),
    ),
    "the PROXY protocol from an empty list": (
        "proxy_protocol: { from: [] }",
        (
            "h.yaml:4:29: error: listeners.web.proxy_protocol.from: the list is empty, so that nobody "
            "could connect\n"
            "    name the balancers in front, or write `proxy_protocol: off`\n"
        ),
    ),
    "the PROXY protocol from a name": (
        "proxy_protocol: { from: balancer }",
        (
            'h.yaml:4:29: error: listeners.web.proxy_protocol.from: "balancer" is not a range of addresses\n'
            "    write it like 10.0.0.0/8, fd00::/8 or 192.0.2.1\n"
        ),
    ),
    "the PROXY protocol misspelled": (
        "proxy_protocol: { form: 10.0.0.0/8 }",
        (
            'h.yaml:4:21: error: listeners.web.proxy_protocol: "from" is missing\n'
            "    write for example `from: [10.0.0.0/8]`\n"
            'h.yaml:4:23: error: listeners.web.proxy_protocol.form: "form" is not a key here\n'
            '    did you mean "from"?\n'
        ),
    ),
    "the PROXY protocol on": (
        "proxy_protocol: on",
        (
            'h.yaml:4:21: error: listeners.web.proxy_protocol: "on" is neither off nor a mapping\n'
            "    write for example { from: [10.0.0.0/8] }\n"
        ),
    ),
}

# What stands in the service, and what is said about it.
SERVICE_CASES: dict[str, tuple[str, str]] = {
    "verification off": (
        "endpoints: [https://app]\n    tls: { verify: off }",
        (
            'h.yaml:6:20: warning: services.s.tls.verify: "off": whoever is between Headgate and the '
            "endpoints can read and change everything\n"
            "    name their authority as `ca`, and remove this\n"
        ),
    ),
    "tls that nothing uses": (
        "endpoints: ['app:1']\n    tls: { ca: ca.crt }",
        (
            "h.yaml:6:5: warning: services.s.tls: no endpoint of this service begins with https://, so "
            "that nothing of this is used\n"
            "    write for example `endpoints: [https://app.internal]`\n"
        ),
    ),
    "a key without its certificate": (
        "endpoints: [https://app]\n    tls: { key: a.key }",
        (
            "h.yaml:6:12: error: services.s.tls.key: there is a key without its certificate\n"
            "    write for example `certificate: client.crt`\n"
        ),
    ),
    "https over a unix socket": (
        "endpoints: ['https://unix:/run/app.sock']",
        (
            "h.yaml:5:17: error: services.s.endpoints[0]: a unix socket has no name that a certificate "
            "could have\n"
            "    write for example `tls: { server_name: app.internal }` for this service\n"
        ),
    ),
    "https over a unix socket with a name": (
        "endpoints: ['https://unix:/run/app.sock']\n    tls: { server_name: app }",
        "",
    ),
    "an endpoint with a path": (
        "endpoints: ['https://app/v1']",
        (
            'h.yaml:5:17: error: services.s.endpoints[0]: "https://app/v1" has a path; endpoints are '
            "addresses\n"
            "    write https://app, and change paths in a route\n"
        ),
    ),
    "an endpoint with a password": (
        "endpoints: ['https://me:secret@app']",
        (
            'h.yaml:5:17: error: services.s.endpoints[0]: "https://me:secret@app" has a user or a password\n'
            "    write https:// and the host alone\n"
        ),
    ),
    "an endpoint with another scheme": (
        "endpoints: ['ftp://app:21']",
        (
            'h.yaml:5:17: error: services.s.endpoints[0]: "ftp://app:21" has a scheme that is not known '
            "here\n"
            "    write http://, https:// or h2c://, or none\n"
        ),
    ),
    "an endpoint in two ways": (
        "endpoints: ['http://app', 'app:80']",
        (
            'h.yaml:5:31: error: services.s.endpoints[1]: "app:80" is already an endpoint of this service\n'
            "    remove it, or give the first one a higher weight\n"
        ),
    ),
    "facts in version 1": (
        "endpoints: ['app:1']\n    proxy_protocol: { version: v1, tlvs: sni }",
        (
            "h.yaml:6:36: error: services.s.proxy_protocol.tlvs: version 1 of the PROXY protocol says "
            "addresses only\n"
            "    write `version: v2`, or remove it\n"
        ),
    ),
    "the PROXY protocol before HTTP/2": (
        "endpoints: ['h2c://app:80']\n    proxy_protocol: v2",
        (
            "h.yaml:5:17: error: services.s.endpoints[0]: a connection of HTTP/2 carries many clients, of "
            "whom the PROXY protocol names one\n"
            "    write it without a scheme or with https://, or `proxy_protocol: off`\n"
        ),
    ),
    "an unknown version of the PROXY protocol": (
        "endpoints: ['app:1']\n    proxy_protocol: v3",
        'h.yaml:6:21: error: services.s.proxy_protocol: "v3" is not v1 or v2\n',
    ),
}


def said(text: str) -> tuple[str, bool]:
    """All problems of a file, and whether it can be used."""
    loaded = load("h.yaml", text=text, environ={})
    return "".join(f"{problem}\n" for problem in loaded.problems), loaded.model is not None


@pytest.mark.parametrize("case", LISTENER_CASES)
def test_listeners(case: str) -> None:
    text, expected = LISTENER_CASES[case]
    assert said(LISTENER % text) == (expected, ": error: " not in expected)


@pytest.mark.parametrize("case", SERVICE_CASES)
def test_services(case: str) -> None:
    text, expected = SERVICE_CASES[case]
    assert said(SERVICE % text) == (expected, ": error: " not in expected)
