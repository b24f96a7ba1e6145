"""The product with the middlewares of tests, of which some fail on purpose."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.product import Product

FOLDER = Path(__file__).parent / "middlewares"


@contextmanager
def running(config: Mapping[str, Any]) -> Iterator[Product]:
    """A product that finds `specimens:NAME`. Its log may have tracebacks, and workers may have been replaced;
    but nothing failed in Headgate itself.
    """
    product = Product(config, env={"PYTHONPATH": f"{FOLDER}:{os.environ.get('PYTHONPATH', '')}"})
    try:
        yield product
        assert product.metric("headgate_worker_errors_total") == 0, product.log[-3000:]
        product.stop(check=False)
    finally:
        product.kill()
