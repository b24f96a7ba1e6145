"""A backend of the demo: a small HTTP server of the standard library, a program of its own.

    python backend.py NAME --delay SECONDS [--fail-every N]

It binds a free port of 127.0.0.1, prints the number as its first line, and ends when its standard
input does, so that it never outlives the demo. Every N-th request is answered 503.
"""

import argparse
import itertools
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


def server(name: str, delay: float, fail_every: int) -> ThreadingHTTPServer:
    """A server that answers every GET after `delay` seconds, saying who it is and what it was asked."""
    numbers = itertools.count(1)

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(delay)
            number = next(numbers)
            failed = fail_every > 0 and number % fail_every == 0
            if failed:
                text = f"{name}: not now (every request number {fail_every} fails)\n"
            elif self.path.partition("?")[0] == "/headers":
                text = f"{name} received:\n" + "".join(
                    f"  {key}: {value}\n" for key, value in self.headers.items()
                )
            else:
                text = f"{name}: {self.command} {self.path}, after {delay * 1000:.0f} ms\n"
            body = text.encode()
            self.send_response(503 if failed else 200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Backend", name)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
            """Stay silent; the proxy in front writes the access log."""

    return Server(("127.0.0.1", 0), Answer)


class Server(ThreadingHTTPServer):
    """A server that has nothing to say about connections that end early, as those of killed workers do."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    parser = argparse.ArgumentParser(description="A backend of headgate demo.")
    parser.add_argument("name")
    parser.add_argument("--delay", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--fail-every", type=int, default=0, metavar="N")
    options = parser.parse_args()
    serving = server(options.name, options.delay, options.fail_every)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    print(serving.server_port, flush=True)
    sys.stdin.read()
    os._exit(0)  # without waiting for connections that the proxy keeps open


if __name__ == "__main__":
    main()
