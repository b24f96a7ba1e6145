"""Nanoseconds and instructions of what costs less than a microsecond, called as the proxy calls it."""
