"""What a client would rather have, by the weights of its Accept field (RFC 9110 section 12.5.1)."""

from __future__ import annotations

import re


def wants_json(accept: bytes) -> bool:
    """Whether JSON is preferred to HTML."""
    return _weight(accept, b"json") > _weight(accept, b"html")


def _weight(accept: bytes, kind: bytes) -> float:
    """The largest weight of a media range that names `kind`; of two equal ones the first counts more."""
    best = 0.0
    for place, part in enumerate(accept.lower().split(b",")):
        media, _, parameters = part.partition(b";")
        if kind not in media:
            continue
        found = re.search(rb"q=([01](?:\.\d{0,3})?)", parameters)
        best = max(best, (float(found[1]) if found else 1.0) - place * 1e-6)
    return best
