"""What a middleware answers to whom it does not let pass."""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus

from headgate.middleware.exchange import Exchange
from headgate.middleware.reply import Reply


def refusal(exchange: Exchange, status: int, detail: str, fields: Iterable[tuple[str, str]] = ()) -> Reply:
    """An answer that says why, as JSON to clients that ask for JSON and not for a page. None keeps it."""
    accept = exchange.request.headers.get("accept", "").lower()
    headers = [("Cache-Control", "no-store"), *fields]
    if "json" in accept and "html" not in accept:
        content = {"status": status, "title": HTTPStatus(status).phrase, "detail": detail}
        return Reply(status, json.dumps(content) + "\n", [("Content-Type", "application/json"), *headers])
    return Reply(status, f"{detail}\n", headers)
