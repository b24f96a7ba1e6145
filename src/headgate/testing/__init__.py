"""For tests: a gateway in a thread of its own, and the pytest fixture `headgate_gateway`.

def test_redirect(headgate_gateway):
    running = headgate_gateway(routes=[{"name": "old", "redirect": {"path": "/new"}}])
    assert requests.get(running.url, allow_redirects=False).status_code == 308
"""

from headgate.testing.thread import GatewayStarter, GatewayThread

__all__ = ["GatewayStarter", "GatewayThread"]
