"""How it is found out whether endpoints can be had: probes and outlier detection."""

from __future__ import annotations

from typing import Literal

from headgate.spec.data import Data


class HealthCheck(Data, frozen=True):
    """A probe of each endpoint of a service, and what its results mean."""

    kind: Literal["http", "grpc", "tcp"] = "http"
    method: str = "GET"
    path: str = "/"
    host: str = ""  # "" is the endpoint's own name
    headers: tuple[tuple[str, str], ...] = ()
    statuses: tuple[tuple[int, int], ...] = ((200, 299),)  # ranges, ends included
    body: str = ""  # that the beginning of the body contains
    body_regex: str = ""
    grpc_service: str = ""
    send: str = ""  # over TCP
    expect: str = ""
    port: int = 0  # 0 is the endpoint's own
    interval: float = 5.0
    fast_interval: float = 1.0  # while the state is changing
    jitter: float = 0.1  # part of the interval
    timeout: float = 1.0
    healthy: int = 2
    unhealthy: int = 3
    initial: Literal["healthy", "unhealthy"] = "healthy"


class Outliers(Data, frozen=True):
    """When an endpoint does so much worse than the others that it is left alone; 0 is never."""

    consecutive: int = 5
    error_ratio: float = 0.5
    latency: float = 5.0  # times the mean of the others
    latency_floor: float = 0.05  # seconds above the mean of the others, at least
    interval: float = 1.0
    minimum: int = 10  # attempts in an interval, for ratio and latency
    ejection: float = 30.0
    longest_ejection: float = 300.0
    share: float = 0.3  # that may be ejected at a time; one of several always may
    dry_run: bool = False
