"""Runs every case once for each number of rounds given; what callgrind looks at."""

from __future__ import annotations

import sys

from benchmarks.micro.build import cases

for case in cases().values():
    for rounds in sys.argv[1:]:
        case(int(rounds))
