"""A middleware that fetches what requests ask for, and answers with what came of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

from headgate.middleware import Exchange, FetchFailed, Middleware, Reply, option
from headgate.middleware.options import Url


@dataclass(frozen=True, slots=True)
class More:
    """A section with one more."""

    secure: Url = option("An origin with https.")


class Fetching(Middleware):
    """Fetch from one of the origins: the request's path says which, its query how."""

    @dataclass(frozen=True, slots=True)
    class Options:
        plain: Url = option("An origin.")
        more: More = option("One more.")
        service: Url = option("A service of the file.")
        trusted: Url = option("A service of the file whose certificate is believed.")

    async def on_request(self, exchange: Exchange) -> Reply:
        where = exchange.request.path.removeprefix("/")
        asked = dict(exchange.request.parameters)
        origins = {
            "plain": self.options.plain,
            "secure": self.options.more.secure,
            "service": self.options.service,
            "trusted": self.options.trusted,
        }
        url = origins.get(where, "http://nobody.example/") + asked.get("path", "")
        fetching = self.worker.fetch(
            url,
            method=asked.get("method", "GET"),
            headers={"x-name": asked.get("name", "none")},
            body=asked.get("body", "").encode(),
            timeout=float(asked.get("timeout", 5)),
            limit=1000,
        )
        try:
            if "cancel" in asked:
                fetched = await asyncio.wait_for(fetching, 0.1)
            else:
                fetched = await fetching
        except FetchFailed as error:
            return Reply(502, json.dumps({"reason": error.reason, "text": str(error)}))
        except TimeoutError:
            return Reply(503, json.dumps({"reason": "cancelled"}))
        except ValueError as error:
            return Reply(400, json.dumps({"text": str(error)}))
        told = {"status": fetched.status, "fields": dict(fetched.headers), "body": fetched.body.decode()}
        return Reply(200, json.dumps(told))
