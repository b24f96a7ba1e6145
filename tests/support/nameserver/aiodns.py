"""Stands before aiodns on a product's path: the same, but it asks the name server of the test."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
del sys.modules["aiodns"]
aiodns: Any = importlib.import_module("aiodns")


class DNSResolver(aiodns.DNSResolver):  # type: ignore[misc]
    def __init__(self, nameservers: object = None, **options: object) -> None:
        del nameservers
        super().__init__([os.environ["TEST_NAMESERVER"]], **options)


aiodns.DNSResolver = DNSResolver
