"""api_key."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final

from headgate.middleware import Exchange, Middleware, Reply, option
from headgate.middleware.files import WatchedFiles, lines_of
from headgate.middleware.options import FieldName, PrivateFile, Secret
from headgate.middleware.refusal import refusal
from headgate.middleware.texts import field_value

_HASH: Final = re.compile(r"sha256:([0-9a-fA-F]{64})")
_EMPTY: Final = hashlib.sha256().digest()
_NEVER: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a key is, and until when it holds, in seconds since 1970."""

    name: str
    expires: float


class Keys:
    """Owners by the SHA-256 of their keys. What time a look-up takes may tell something of a hash, but nobody
    can turn that into a key.
    """

    def __init__(self) -> None:
        self._owners: dict[bytes, Owner] = {}

    def add(self, name: str, known: str, expires: str | None) -> None:
        """One key more. Raises ValueError, which never shows the hash."""
        found = _HASH.fullmatch(known)
        if found is None:
            raise ValueError(f"the key of {name} is no hash: write `sha256:` and 64 hexadecimal digits")
        digest = bytes.fromhex(found[1])
        if digest == _EMPTY:
            raise ValueError(f"the key of {name} is empty: hash a key, and not nothing")
        if digest in self._owners:
            raise ValueError(f"{name} and {self._owners[digest].name} have the same key: make one for each")
        self._owners[digest] = Owner(name, _NEVER if expires is None else moment_of(expires))

    def owner(self, key: bytes) -> Owner | None:
        """Whose key it is."""
        return self._owners.get(hashlib.sha256(key).digest())


def moment_of(text: str) -> float:
    """Seconds since 1970 of a date or time (ISO 8601), in UTC unless it says otherwise. Raises ValueError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is no date: write for example 2027-01-31, or 2027-01-31T12:00:00Z"
        ) from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


class ApiKey(Middleware):
    """Ask for a key that is known, in a header field or in the query."""

    @dataclass(frozen=True, slots=True)
    class Key:
        """A key, as its hash."""

        hash: Secret = option(
            "`sha256:` and the SHA-256 of the key in hexadecimal.", example="sha256:2cf2...9824"
        )
        expires: str | None = option(
            "When it ends to hold: a date or time, in UTC unless it says otherwise.",
            None,
            example="2027-01-31",
        )

    @dataclass(frozen=True, slots=True)
    class Options:
        keys: dict[str, ApiKey.Key] = option(
            "Keys by the names of their owners, which stand in the access log.",
            {},
            example={
                "build": {"hash": "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}
            },
        )
        files: tuple[PrivateFile, ...] = option(
            "Files with keys, read again when they change. Each line is `NAME HASH`, or `NAME HASH EXPIRES`.",
            (),
            example=["keys.txt"],
        )
        header: FieldName = option(
            "The field with the key; in `Authorization` it stands behind `Bearer`.", "X-API-Key"
        )
        query: str | None = option(
            "A parameter of the query that may have the key instead. It is taken out of the request, and out "
            "of the access log.",
            None,
            example="api_key",
        )
        remove_header: bool = option("Whether the service does not get the field with the key.", True)
        user_header: FieldName | None = option(
            "A field that names the key's owner to the service.", None, example="X-User"
        )

    counters: ClassVar[Mapping[str, str]] = {
        "refused": "Exchanges refused for want of a key that is known.",
        "expired": "Exchanges refused because their key holds no more.",
    }

    def prepare(self) -> None:
        if not self.options.keys and not self.options.files:
            raise ValueError("no key is known: write `keys`, `files` or both")
        self._header = self.options.header.lower()
        self._files = WatchedFiles(self.worker, self.options.files, self._keys)

    async def close(self) -> None:
        self._files.close()

    def _keys(self, contents: dict[str, bytes]) -> Keys:
        keys = Keys()
        for name, key in self.options.keys.items():
            keys.add(name, key.hash.text, key.expires)
        for path, content in contents.items():
            for where, line in lines_of(path, content):
                words = line.split()
                if len(words) not in {2, 3}:
                    raise ValueError(f"{where}: a line has the form NAME HASH, or NAME HASH EXPIRES")
                try:
                    keys.add(words[0], words[1], words[2] if len(words) == 3 else None)
                except ValueError as error:
                    raise ValueError(f"{where}: {error}") from None
        return keys

    def on_request(self, exchange: Exchange) -> Reply | Awaitable[Reply | None] | None:
        looking = self._files.look()
        return self._decide(exchange) if looking is None else self._later(looking, exchange)

    async def _later(self, looking: Awaitable[None], exchange: Exchange) -> Reply | None:
        await looking
        return self._decide(exchange)

    def on_done(self, exchange: Exchange) -> None:
        """A middleware before this one may have answered; the key shall not be logged then either."""
        if self.options.query is not None:
            exchange.request.take_parameter(self.options.query)

    def _decide(self, exchange: Exchange) -> Reply | None:
        key = self._shown(exchange)
        owner = None if key is None else self._files.value.owner(key)
        if owner is None:
            return self._refused(exchange, "refused", "Send an API key that is known here.")
        if owner.expires <= self.worker.time():
            return self._refused(exchange, "expired", "Your API key has expired. Ask for a new one.")
        exchange.user = owner.name
        if self.options.remove_header:
            exchange.request.headers.pop(self._header)
        if self.options.user_header is not None:
            exchange.request.headers[self.options.user_header] = field_value(owner.name)
        return None

    def _shown(self, exchange: Exchange) -> bytes | None:
        """The key that the client shows; of one in a field and one in the query that in the field."""
        value = exchange.request.headers.get(self._header)
        values = [] if self.options.query is None else exchange.request.take_parameter(self.options.query)
        if value is None:
            return values[0].encode() if len(values) == 1 else None
        if self._header == "authorization":
            scheme, _, value = value.partition(" ")
            return value.strip().encode("latin-1") if scheme.lower() == "bearer" else None
        return value.encode("latin-1")

    def _refused(self, exchange: Exchange, counter: str, detail: str) -> Reply:
        self.worker.count(counter)
        scheme = "Bearer" if self._header == "authorization" else "ApiKey"
        return refusal(exchange, 401, detail, (("WWW-Authenticate", scheme),))
