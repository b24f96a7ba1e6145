"""headers."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.middleware import Exchange, Middleware, option
from headgate.middleware.field_rules import FieldRules
from headgate.middleware.options import FieldName


@dataclass(frozen=True, slots=True)
class Rules:
    """What is done to the fields of a message: first `rename`, then `remove`, `set`, `default` and `add`.
    Values are templates; one that comes out empty is not sent.
    """

    rename: dict[str, str] = option(
        "New names by old ones. Fields that had the new name already are removed.",
        {},
        example={"X-Old": "X-New"},
    )
    remove: tuple[FieldName, ...] = option("Names of fields that go.", (), example=["X-Debug"])
    set: dict[str, str] = option(
        "Values by name, in the place of what is there.", {}, example={"X-Client": "{client}"}
    )
    default: dict[str, str] = option(
        "Values by name, where no field of the name is.", {}, example={"Cache-Control": "no-store"}
    )
    add: dict[str, str] = option("Values by name, beside what is there.", {}, example={"X-Seen": "{route}"})


class Headers(Middleware):
    """Change fields of requests and responses."""

    @dataclass(frozen=True, slots=True)
    class Options:
        request: Rules | None = option("What is done to requests, before an endpoint gets them.", None)
        response: Rules | None = option("What is done to responses, before the client gets them.", None)

    def prepare(self) -> None:
        if self.options.request is None and self.options.response is None:
            raise ValueError("there are no rules: write some under request or response")
        self._request = _compiled("request", self.options.request)
        self._response = _compiled("response", self.options.response)

    def on_request(self, exchange: Exchange) -> None:
        self._request.apply(exchange, exchange.request)

    def on_response(self, exchange: Exchange) -> None:
        self._response.apply(exchange, exchange.response)


def _compiled(side: str, rules: Rules | None) -> FieldRules:
    rules = rules or Rules()
    try:
        return FieldRules(
            rename=rules.rename,
            remove=rules.remove,
            set=rules.set,
            default=rules.default,
            add=rules.add,
        )
    except ValueError as error:
        raise ValueError(f"{side}: {error}") from None
