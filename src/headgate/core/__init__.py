"""Sans-IO core: codecs, heads, routing table, balancers, shared-memory cells.

Bytes and numbers in, events and bytes out: no sockets, no clock, no logging, no asyncio.
"""
