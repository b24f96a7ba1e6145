"""The codecs under the codec rules, each with a peer that lets the conversation go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from codec.corpus import ASKED, REQUESTS, RESPONSES, Sample
from headgate.core.events import Data, Event
from headgate.core.head import Head
from headgate.core.http1 import Http1Client, Http1Server

Description = tuple[object, ...]


def request_head(data: bytes) -> Head:
    """The head of a request, to be sent. The bytes may not go on behind it."""
    event = Http1Server().receive(data)[0]
    assert isinstance(event, Head), event
    return event


def response_head(data: bytes, asked: bytes = b"GET") -> Head:
    """The head of a response to `asked`, to be sent."""
    client = Http1Client()
    client.send(request_head(ASKED[asked]))
    event = client.receive(data)[0]
    assert isinstance(event, Head), event
    return event


ANSWER = response_head(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")


class ServerConversation:
    """An Http1Server behind which every request is answered as soon as it is complete."""

    def __init__(self) -> None:
        self.codec = Http1Server()

    def receive(self, data: bytes) -> list[Event]:
        """The events of the bytes, and of what was held behind each message that they complete."""
        events = self.codec.receive(data)
        more = events
        while any(isinstance(event, (Head, Data)) and event.last for event in more):
            self.codec.send(ANSWER)
            self.codec.send(Data(b"ok", last=True))
            more = self.codec.next()
            events += more
        return events


class ClientConversation:
    """An Http1Client that has sent one request."""

    def __init__(self, asked: bytes = b"GET") -> None:
        self.codec = Http1Client()
        self.codec.send(request_head(ASKED[asked]))
        self.codec.output()

    def receive(self, data: bytes) -> list[Event]:
        return self.codec.receive(data)


Conversation = ServerConversation | ClientConversation


@dataclass(frozen=True, slots=True)
class Subject:
    """A codec under test: how a conversation with it begins, and what its peers may say."""

    name: str
    begin: Callable[[Sample], Conversation]
    samples: tuple[Sample, ...]

    def __str__(self) -> str:
        return self.name


SUBJECTS = (
    Subject("http1-server", lambda _: ServerConversation(), tuple(REQUESTS)),
    Subject("http1-client", lambda sample: ClientConversation(sample.asked), tuple(RESPONSES)),
)


def merge(events: list[Event]) -> list[Description]:
    """The events as plain values, neighbouring data as one: how it is cut depends on the input."""
    merged: list[Description] = []
    for event in events:
        description = event.describe()
        if isinstance(event, Data) and merged and merged[-1][0] == "Data":
            _, _, before, last = merged[-1]
            assert not last, "data behind the last data"
            assert isinstance(before, bytes)
            description = ("Data", event.stream, before + event.payload, event.last)
            merged.pop()
        merged.append(description)
    return merged


def converse(subject: Subject, sample: Sample, pieces: list[bytes], *, ended: bool) -> list[Description]:
    """All events of the pieces, in order."""
    conversation = subject.begin(sample)
    events = [event for piece in pieces if piece for event in conversation.receive(piece)]
    if ended:
        events += conversation.receive(b"")
    return merge(events)
