"""How roles talk: framed messages with descriptors beside them, and bytes in sealed memory."""

from headgate.ipc.channel import Channel
from headgate.ipc.frames import FORMAT, ChannelError, Decoder, Message, encode
from headgate.ipc.memory import MemoryRefused, read, seal, sealed

__all__ = [
    "FORMAT",
    "Channel",
    "ChannelError",
    "Decoder",
    "MemoryRefused",
    "Message",
    "encode",
    "read",
    "seal",
    "sealed",
]
