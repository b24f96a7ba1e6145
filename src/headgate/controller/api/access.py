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
            "changes are taken on a unix socket only"
            if request.method == "POST"
            else "a unix socket shows it only",
            "add one to admin.bind, such as unix:/run/headgate/admin.sock, or set admin.token",
        )
    if fits(request.headers.get("authorization", ""), token):
        return None
    return unknown()


def fits(authorization: str, token: str) -> bool:
    """Whether the field has this token; the time that it takes tells nothing. None fits an empty one."""
    kind, _, given = authorization.partition(" ")
    same = hmac.compare_digest(given.strip().encode(), token.encode())
    return kind.lower() == "bearer" and same and bool(token)


def unknown() -> JSONResponse:
    """The answer to strangers."""
    return problem(401, "the token is missing or wrong", "send Authorization: Bearer with the token of admin")


def there_are(things: Iterable[Named]) -> str:
    """The hint where somebody names what is not there."""
    return "there are: " + (", ".join(one.name for one in things) or "none")
