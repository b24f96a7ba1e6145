"""Middlewares: small classes that look at exchanges or change them. See docs/middlewares.md."""

from headgate.middleware.exchange import BodyMalformed, BodyTooLarge, Exchange, Request, Response, StateKey
from headgate.middleware.message import Headers
from headgate.middleware.middleware import Middleware, Piece
from headgate.middleware.options import option
from headgate.middleware.reply import Reply
from headgate.middleware.worker import Fetched, FetchFailed, Worker

__all__ = [
    "BodyMalformed",
    "BodyTooLarge",
    "Exchange",
    "FetchFailed",
    "Fetched",
    "Headers",
    "Middleware",
    "Piece",
    "Reply",
    "Request",
    "Response",
    "StateKey",
    "Worker",
    "option",
]
