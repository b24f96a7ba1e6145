"""A checked configuration as a snapshot: inheritance and references resolved, texts parsed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from headgate import spec
from headgate.base.errors import Refusal
from headgate.base.limits import BY_NAME
from headgate.config import addresses, conditions
from headgate.config.attempts import hedge, retry, retry_budget
from headgate.config.blocks import assign_blocks
from headgate.config.encryption import identity_fields, listener_tls, service_tls
from headgate.config.fetching import all_services
from headgate.config.health import health_check, outliers
from headgate.config.middlewares import compiled, flattened
from headgate.config.model.stickiness import LEARNED_SECONDS
from headgate.config.overload import IMPORTANCE, breaker, concurrency, overload, respond
from headgate.config.problems import ConfigError, Problem
from headgate.config.references import check
from headgate.config.rollouts import rollout
from headgate.config.secrets import read_secret
from headgate.config.workers import resolve_workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from headgate.config import model as written
    from headgate.config.model.splits import Selection


def compile(  # noqa: A001
    model: written.Config,
    previous: spec.Snapshot | None = None,
    version: int = 1,
) -> spec.Snapshot:
    """The snapshot of a configuration. Blocks of metrics stay with the names that had them in `previous`.
    Raises ConfigError when a reference is broken or the shared memory has no more blocks.
    """
    errors = [problem for problem in check(model) if problem.severity == "error"]
    if errors:
        raise ConfigError(errors)
    metrics = assign_blocks(_identities(model), previous.metrics if previous is not None else None)
    return spec.Snapshot(
        version=version,
        process=_process(model),
        trusted_proxies=model.trusted_proxies,
        forwarding=spec.Forwarding(**dict(model.forwarding)),
        identity_fields=identity_fields(model.listeners.values()),
        access_log=_access_log(model.access_log),
        overload=overload(model.overload),
        encoded_slash=model.paths.encoded_slash,
        encoded_backslash=model.paths.encoded_backslash,
        encoded_nul=model.paths.encoded_nul,
        listeners=tuple(_listener(model, name, metrics.blocks) for name in model.listeners),
        routes=tuple(_route(model, route, metrics.blocks) for route in model.routes),
        services=tuple(
            _service(model, name, service, metrics.blocks) for name, service in all_services(model).items()
        ),
        middlewares=compiled(model, metrics.blocks),
        metrics=metrics,
    )


def _identities(model: written.Config) -> Iterator[str]:
    """The names of everything that is counted."""
    for name in model.listeners:
        yield f"listener:{name}"
    for route in model.routes:
        yield from _identities_of_route(route)
    for name, service in all_services(model).items():
        yield f"service:{name}"
        if service.sticky is not None:
            yield f"sticky:{name}"
        if len(set(_levels(model, service))) > 1:
            yield f"levels:{name}"
        for endpoint in service.endpoints:
            yield f"endpoint:{name}/{addresses.parse_endpoint(endpoint.address).name}"
    for name, middleware in model.middlewares.items():
        if middleware.type != "chain":
            yield f"middleware:{name}"


def _identities_of_route(route: written.Route) -> Iterator[str]:
    yield f"route:{route.name}"
    if route.fault is not None:
        yield f"fault:{route.name}"
    if route.mirror is not None:
        yield f"mirror:{route.name}"
        yield f"mirrored:{route.name}"
    if len(route.services or ()) > 1:
        for share in route.services or ():
            yield f"variant:{route.name}/{share.name or share.service}"


def _pick(name: str, *sections: Any) -> Any:
    """The value of a key in the first section that sets it, or its default."""
    key = name.rpartition(".")[2]
    for section in sections:
        value = getattr(section, key, None)
        if value is not None:
            return value
    limit = BY_NAME[name]
    return limit.default if limit.unit in ("duration", "byte_rate") else int(limit.default)


def _process(model: written.Config) -> spec.Process:
    process, admin = model.process, model.admin
    return spec.Process(
        workers=resolve_workers(process.workers),
        drain_timeout=process.drain_timeout,
        pre_stop_delay=process.pre_stop_delay,
        user=process.user or "",
        group=process.group or "",
        cancel_on_half_close=process.cancel_on_half_close,
        admin=tuple(addresses.parse_bind(bind) for bind in admin.bind) if admin is not None else (),
        admin_token=_admin_token(model),
        admin_public=admin.public if admin is not None else (),
        log_level=process.log_level,
        ticket_rotation=process.ticket_rotation,
        state=process.state or "",
        development=process.development,
        hook_limit=process.hook_limit,
        memory_limit=process.memory_limit,
        zone=process.zone or "",
    )


def _admin_token(model: written.Config) -> spec.Secret:
    admin = model.admin
    if admin is None:
        return spec.Secret()
    return spec.Secret(admin.token or _secret_of(admin.token_file, "admin.token_file", model.folder))


def _secret_of(file: str | None, where: str, folder: str) -> str:
    """The secret in a file; "" without one."""
    if file is None:
        return ""
    try:
        return read_secret(Path(folder) / file)
    except Refusal as refusal:
        raise ConfigError([Problem(message=f"{where}: {refusal.reason}", hint=refusal.hint)]) from None


def _access_log(log: written.AccessLog | None) -> spec.AccessLog | None:
    if log is None:
        return None
    return spec.AccessLog(
        format=log.format,
        template=log.template or "",
        path=log.path,
        query=log.query,
        fingerprints=log.fingerprints,
        queue_bytes=log.queue_size,
    )


def _listener(model: written.Config, name: str, blocks: dict[str, int]) -> spec.Listener:
    listener = model.listeners[name]
    timeouts, limits = (listener.timeouts, model.timeouts), (listener.limits, model.limits)
    http2 = _http2(listener.http2, model.http2)
    return spec.Listener(
        name=name,
        address=addresses.parse_bind(listener.bind),
        socket=spec.SocketOptions(**dict(listener.socket)),
        limits=spec.ListenerLimits(
            head_timeout=_pick("timeouts.head", *timeouts),
            head_bytes=_pick("limits.head_size", *limits),
            head_fields=_pick("limits.head_fields", *limits),
            keep_alive_timeout=_pick("timeouts.keep_alive", *timeouts),
            handshake_timeout=_pick("timeouts.handshake", *timeouts),
            hello_bytes=_pick("limits.hello_size", *limits),
            connections=_pick("limits.connections", *limits),
            connections_per_client=_pick("limits.connections_per_client", *limits),
        ),
        middlewares=flattened(model, listener.middlewares),
        health_path=listener.health_path or "",
        grpc_health=listener.grpc_health,
        tls=(
            listener_tls(listener.tls, model.folder, _hosts(model, name), http2=http2.enabled)
            if listener.tls is not None
            else None
        ),
        http2=http2,
        proxy_protocol=_proxy_protocol(listener.proxy_protocol),
        https_redirect=_https_redirect(listener.https_redirect),
        hsts=_hsts(listener.hsts),
        metric=blocks[f"listener:{name}"],
    )


def _http2(*sections: written.Http2) -> spec.Http2:
    enabled = next((section.enabled for section in sections if section.enabled is not None), True)
    return spec.Http2(
        enabled=enabled,
        max_streams=_pick("http2.max_streams", *sections),
        window_bytes=_pick("http2.window_size", *sections),
        budget_bytes=_pick("http2.window_budget", *sections),
    )


def _hosts(model: written.Config, listener: str) -> list[str]:
    """All hosts of the routes on a listener."""
    routes = [route for route in model.routes if not route.listeners or listener in route.listeners]
    return sorted({host for route in routes for host in route.match.host})


def _proxy_protocol(protocol: written.ProxyProtocol | None) -> spec.ProxyProtocol | None:
    if protocol is None:
        return None
    return spec.ProxyProtocol(sources=protocol.sources, timeout=protocol.timeout)


def _https_redirect(redirect: written.HttpsRedirect | None) -> spec.HttpsRedirect | None:
    if redirect is None or not redirect.enabled:
        return None
    return spec.HttpsRedirect(port=redirect.port, status=redirect.status)


def _hsts(hsts: written.Hsts | None) -> spec.Hsts | None:
    if hsts is None or not hsts.enabled:
        return None
    return spec.Hsts(
        max_age=int(hsts.max_age), include_subdomains=hsts.include_subdomains, preload=hsts.preload
    )


def _route(model: written.Config, route: written.Route, blocks: dict[str, int]) -> spec.Route:
    return spec.Route(
        name=route.name,
        listeners=route.listeners,
        match=_match(route.match, decode_slash=model.paths.encoded_slash == "decode"),
        priority=route.priority,
        middlewares=flattened(model, route.middlewares),
        services=_shares(route, blocks),
        sticky=_key(route.sticky) if route.sticky is not None else None,
        variant_header=route.variant_header or "",
        mirror=_mirror(route, blocks),
        fault=_fault(route, blocks),
        rollout=rollout(route.rollout),
        redirect=_redirect(route.redirect),
        respond=respond(route.respond),
        limits=_route_limits(model, route),
        retry=retry(route.retry),
        hedge=hedge(route.hedge),
        concurrency=concurrency(route.concurrency),
        importance=IMPORTANCE[route.importance],
        where=route.where,
        metric=blocks[f"route:{route.name}"],
    )


def _match(match: written.Match, *, decode_slash: bool) -> spec.Match:
    return spec.Match(
        hosts=match.host,
        path=tuple(conditions.parse_path(path, decode_slash=decode_slash) for path in match.path),
        methods=match.method,
        headers=tuple(conditions.parse_condition(*item) for item in match.headers.items()),
        query=tuple(conditions.parse_condition(*item) for item in match.query.items()),
        tls=tuple(conditions.parse_condition(*item) for item in match.tls if item[1] is not None),
        client=match.client,
    )


def _shares(route: written.Route, blocks: dict[str, int]) -> tuple[spec.ServiceShare, ...]:
    if route.service is not None:
        return (spec.ServiceShare(service=route.service, subset=_labels(route.subset)),)
    return tuple(
        spec.ServiceShare(
            service=share.service,
            weight=share.weight,
            variant=share.name or "",
            subset=_labels(share.subset),
            selection=_selection(share.match) if share.match is not None else None,
            metric=blocks.get(f"variant:{route.name}/{share.name or share.service}", 0),
        )
        for share in route.services or ()
    )


def _mirror(route: written.Route, blocks: dict[str, int]) -> spec.Mirror | None:
    mirror = route.mirror
    if mirror is None:
        return None
    compare = mirror.compare
    return spec.Mirror(
        service=mirror.service,
        selection=_selection(mirror.match, mirror.percent),
        body_bytes=mirror.body,
        most=mirror.concurrency,
        timeout=mirror.timeout,
        compare=(
            spec.Compare(headers=compare.headers, body=compare.body, ignore=compare.ignore)
            if compare is not None and compare.enabled
            else None
        ),
        metric=blocks[f"mirror:{route.name}"],
        results_metric=blocks[f"mirrored:{route.name}"],
    )


def _fault(route: written.Route, blocks: dict[str, int]) -> spec.Fault | None:
    fault = route.fault
    if fault is None:
        return None
    return spec.Fault(
        selection=_selection(fault.match, fault.percent),
        delay=fault.delay or 0.0,
        status=fault.abort or 0,
        rate=fault.slow_body or 0.0,
        metric=blocks[f"fault:{route.name}"],
    )


def _selection(selection: Selection, percent: float = 100.0) -> spec.Selection:
    return spec.Selection(
        match=spec.Match(
            methods=selection.method,
            headers=tuple(conditions.parse_condition(*item) for item in selection.headers.items()),
            query=tuple(conditions.parse_condition(*item) for item in selection.query.items()),
            client=selection.client,
        ),
        cookies=tuple(conditions.parse_condition(*item) for item in selection.cookies.items()),
        percent=percent,
    )


def _key(text: str) -> spec.Key:
    kind, _, name = text.partition(":")
    return spec.Key(
        kind=cast("Literal['client', 'path', 'header', 'cookie', 'query']", kind),
        name=name.lower() if kind == "header" else name,
    )


def _redirect(redirect: written.Redirect | None) -> spec.Redirect | None:
    if redirect is None:
        return None
    return spec.Redirect(
        scheme=redirect.scheme or "",
        host=redirect.host or "",
        port=redirect.port or 0,
        path=redirect.path or "",
        query=redirect.query,
        status=redirect.status,
    )


def _route_limits(model: written.Config, route: written.Route) -> spec.RouteLimits:
    timeouts, limits = (route.timeouts, model.timeouts), (route.limits, model.limits)
    buffering = (route.buffering, model.buffering)
    return spec.RouteLimits(
        request_timeout=_pick("timeouts.request", *timeouts),
        body_idle_timeout=_idle("timeouts.body_idle", *timeouts),
        response_idle_timeout=_idle("timeouts.response_idle", *timeouts),
        first_byte_timeout=_first_byte(model, route),
        tunnel_idle_timeout=_pick("timeouts.tunnel_idle", *timeouts),
        minimum_rate=_pick("limits.minimum_rate", *limits),
        minimum_rate_grace=_pick("limits.minimum_rate_grace", *limits),
        body_bytes=_pick("limits.body_size", *limits),
        buffer_bytes=_pick("limits.buffer_size", *limits),
        buffer_request=_pick("buffering.request", *buffering),
        buffer_response=_pick("buffering.response", *buffering),
    )


def _idle(name: str, *sections: written.RouteTimeouts) -> float:
    """`body_idle` or `response_idle`; in each section `idle` stands for the one that is not set."""
    key = name.rpartition(".")[2]
    for section in sections:
        value: float | None = getattr(section, key)
        if value is None:
            value = section.idle
        if value is not None:
            return value
    return BY_NAME[name].default


def _first_byte(model: written.Config, route: written.Route) -> float:
    """The route's own value, or the longest of its services, or the global one."""
    if route.timeouts.first_byte is not None:
        return route.timeouts.first_byte
    services = [model.services[share.service].timeouts for share in _shares(route, {})] or [model.timeouts]
    values: list[float] = [_pick("timeouts.first_byte", service, model.timeouts) for service in services]
    return max(values)


def _service(
    model: written.Config, name: str, service: written.Service, blocks: dict[str, int]
) -> spec.Service:
    pools = (service.pool, model.pool)
    return spec.Service(
        name=name,
        balance=_balance(service.balance),
        sticky=_sticky(service.sticky, name, model.folder, blocks),
        endpoints=tuple(
            _endpoint(name, endpoint, level, blocks)
            for endpoint, level in zip(service.endpoints, _levels(model, service), strict=True)
        ),
        pool=spec.Pool(
            connections=_pick("pool.connections", *pools),
            idle_connections=_pick("pool.idle_connections", *pools),
            idle_timeout=_pick("pool.idle_timeout", *pools),
            age=_pick("pool.age", *pools),
            streams=_pick("pool.streams", *pools),
            waiting=_pick("pool.waiting", *pools),
            wait_timeout=_pick("pool.wait_timeout", *pools),
            connect_timeout=_pick("timeouts.connect", service.timeouts, model.timeouts),
        ),
        host=service.host or "",
        nodelay=service.socket.nodelay,
        keepalive=service.socket.keepalive,
        tls=service_tls(service.tls, model.folder, one_client=service.proxy_protocol is not None),
        proxy_protocol=_proxy_header(service.proxy_protocol),
        retry_budget=retry_budget(service.retry_budget),
        breaker=breaker(service.breaker),
        concurrency=concurrency(service.concurrency),
        health_check=health_check(service.health_check, service.host or ""),
        outliers=outliers(service.outliers),
        slow_start=service.slow_start,
        panic=service.panic,
        middlewares=flattened(model, service.middlewares),
        subset_fallback=service.subset_fallback == "any",
        levels_metric=blocks.get(f"levels:{name}", 0),
        metric=blocks[f"service:{name}"],
    )


def _sticky(
    sticky: written.Sticky | None, service: str, folder: str, blocks: dict[str, int]
) -> spec.Sticky | None:
    if sticky is None:
        return None
    if sticky.learn is not None:
        return spec.Sticky(
            by="learn",
            name=sticky.learn,
            lifetime=sticky.lifetime or LEARNED_SECONDS,
            metric=blocks[f"sticky:{service}"],
        )
    return spec.Sticky(
        by=sticky.by,
        name=sticky.name or f"headgate-{service}",
        lifetime=sticky.lifetime or 0.0,
        path=sticky.path,
        domain=sticky.domain or "",
        same_site=sticky.same_site,
        secure=sticky.secure,
        secret=spec.Secret(
            sticky.secret or _secret_of(sticky.secret_file, f"services.{service}.sticky", folder)
        ),
        metric=blocks[f"sticky:{service}"],
    )


def _balance(balance: written.Balance) -> spec.Balance:
    key = _key(balance.key or "client")
    return spec.Balance(
        algorithm=balance.algorithm,
        key=key.kind,
        key_name=key.name,
        table=balance.table or "ring",
        bounded_load=balance.bounded_load or 0.0,
    )


def _levels(model: written.Config, service: written.Service) -> list[int]:
    """The levels of the endpoints of a service, in order. Where none says its zone, all are in the same."""
    endpoints = service.endpoints
    zone = model.process.zone
    zoned = zone is not None and any(endpoint.zone for endpoint in endpoints)
    return [2 * endpoint.priority + (zoned and endpoint.zone != zone) for endpoint in endpoints]


def _labels(labels: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def _endpoint(service: str, endpoint: written.Endpoint, level: int, blocks: dict[str, int]) -> spec.Endpoint:
    target = addresses.parse_endpoint(endpoint.address)
    return spec.Endpoint(
        name=target.name,
        addresses=(target.address,),
        scheme=target.scheme,
        weight=endpoint.weight,
        backup=endpoint.backup,
        zone=endpoint.zone or "",
        level=level,
        labels=_labels(endpoint.labels),
        metric=blocks[f"endpoint:{service}/{target.name}"],
    )


def _proxy_header(header: written.ProxyHeader | None) -> spec.ProxyHeader | None:
    if header is None:
        return None
    return spec.ProxyHeader(version=1 if header.version == "v1" else 2, facts=header.tlvs)
