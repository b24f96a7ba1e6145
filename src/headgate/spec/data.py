"""What all parts of a snapshot have in common."""

from __future__ import annotations

import msgspec


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Frozen, plain data; defaults are not written."""
