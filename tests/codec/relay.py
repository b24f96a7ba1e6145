"""Messages through both codecs, as the proxy relays them: what goes out is what other parsers read."""

from __future__ import annotations

from dataclasses import dataclass

from codec.playbook import END
from codec.subjects import ServerConversation, request_head
from headgate.core.events import Data, Event
from headgate.core.head import Head
from headgate.core.http1 import Http1Client, Http1Server


@dataclass(frozen=True, slots=True)
class Relayed:
    """One complete message: the head that was read, its body, and the bytes that go out for it."""

    head: Head
    body: bytes
    sent: bytes


def _messages(events: list[Event]) -> list[list[Event]]:
    """The events of each complete message."""
    messages: list[list[Event]] = []
    current: list[Event] = []
    for event in events:
        if isinstance(event, Head) and (event.method_name or event.status):
            current = []
        if isinstance(event, Head | Data):
            current.append(event)
            if event.last:
                messages.append(current)
                current = []
    return messages


def body_of(events: list[Event]) -> bytes:
    return b"".join(event.payload for event in events if isinstance(event, Data))


def relay_requests(data: bytes) -> list[Relayed]:
    """Each complete request of a connection, as it goes upstream. CONNECT never does."""
    relayed = []
    for events in _messages(ServerConversation().receive(data)):
        head = events[0]
        assert isinstance(head, Head)
        if head.method_name == "CONNECT":
            break
        client = Http1Client()
        sent = b""
        for event in events:
            client.send(event)
            sent += client.output()
        relayed.append(Relayed(head, body_of(events), sent))
    return relayed


def relay_response(data: bytes, asked: bytes, *, ended: bool) -> Relayed | None:
    """The final response to a request, as it goes to the client that sent it; interim ones before it.
    None when there is no complete one, or when it switches protocols.
    """
    server = Http1Server()
    server.receive(asked)
    client = Http1Client()
    client.send(request_head(asked))
    events = client.receive(data)
    if ended:
        events += client.receive(b"")
    sent = b""
    complete: list[Event] = []
    for event in events:
        if isinstance(event, Head) and event.status == 101:
            return None
        if isinstance(event, Head | Data):
            server.send(event)
            sent += server.output()
            complete.append(event)
            if event.last:
                break
    if not complete or not complete[-1].last:
        return None
    if isinstance(complete[-1], Head) and complete[-1].status:
        server.send(END)
        sent += server.output()
    final = next(event for event in complete if isinstance(event, Head) and event.status >= 200)
    return Relayed(final, body_of(complete), sent)
