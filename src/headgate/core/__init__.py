"""Sans-IO core: codecs, heads, routing table, balancers, shared-memory cells.

Bytes and numbers in, events and bytes out: no sockets, no clock, no logging, no asyncio.
"""

from importlib.util import find_spec

if find_spec("headgate.core.build") is None:
    raise ImportError(
        "Headgate's core is not compiled. Install a C compiler and the headers of Python (on Debian: gcc and "
        "python3-dev), then install Headgate again; in a working copy, run `make build`."
    )
