"""For tests: a gateway in a thread, the pytest fixture `headgate_gateway`, and trials of middlewares.

def test_redirect(headgate_gateway):
    running = headgate_gateway(routes=[{"name": "old", "redirect": {"path": "/new"}}])
    assert requests.get(running.url, allow_redirects=False).status_code == 308
"""

from headgate.testing.thread import GatewayStarter, GatewayThread
from headgate.testing.trial import Outcome, Trial, TrialWorker

__all__ = ["GatewayStarter", "GatewayThread", "Outcome", "Trial", "TrialWorker"]
