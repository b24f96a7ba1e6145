"""Raw tools for tests over real sockets: a client, backends, strict and lenient readers, the product.

A test reads like a playbook: the client says something, the upstream end reads it and answers, the
client reads the answer. Nothing here repairs or normalises a byte, and nothing waits without a
deadline.
"""

from support.backend import Backend, RecordingBackend
from support.messages import MalformedError, Message
from support.ports import free_port
from support.product import Product, merge, proxying, until
from support.wire import DeadlineError, RawClient, Wire, crowd

__all__ = [
    "Backend",
    "DeadlineError",
    "MalformedError",
    "Message",
    "Product",
    "RawClient",
    "RecordingBackend",
    "Wire",
    "crowd",
    "free_port",
    "merge",
    "proxying",
    "until",
]
