"""One file for each proxy, all alike."""

from __future__ import annotations

from benchmarks.peers.caddy import Caddy
from benchmarks.peers.envoy import Envoy
from benchmarks.peers.haproxy import Haproxy
from benchmarks.peers.headgate import Headgate
from benchmarks.peers.nginx import Nginx
from benchmarks.peers.peer import Peer, Setting
from benchmarks.peers.traefik import Traefik

PEERS: dict[str, type[Peer]] = {peer.name: peer for peer in (Headgate, Nginx, Haproxy, Envoy, Traefik, Caddy)}

__all__ = ["PEERS", "Peer", "Setting"]
