"""Who may change something: whoever can write to a unix socket, and whoever knows the token."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Protocol

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from starlette.requests import Request
    from starlette.responses import Response

    from headgate.controller.api.view import View

    Answer = Callable[[Request], Awaitable[Response]]


class Named(Protocol):
    """What has a name."""

    @property
    def name(self) -> str: ...


def problem(status: int, reason: str, hint: str = "") -> JSONResponse:
    """An answer that says what is wrong and what to do instead."""
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse({"error": reason, "hint": hint}, status, headers)


def guarded(answer: Answer, view: View) -> Answer:
    """The same answer for those who may."""

    async def answer_if_allowed(request: Request) -> Response:
        return _refusal(request, view.snapshot.process.admin_token.text) or await answer(request)

    return answer_if_allowed


def _refusal(request: Request, token: str) -> Response | None:
    server = request.scope.get("server")
    if not server or server[1] is None:  # a unix socket
        return None
    if not token:
        return problem(
            403,
            "changes are taken on a unix socket only",
            "add one to admin.bind, such as unix:/run/headgate/admin.sock, or set admin.token",
        )
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return None
    return problem(401, "the token is missing or wrong", "send Authorization: Bearer with admin.token")


def there_are(things: Iterable[Named]) -> str:
    """The hint where somebody names what is not there."""
    return "there are: " + (", ".join(one.name for one in things) or "none")
