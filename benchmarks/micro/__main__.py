"""Runs every case for a number of rounds; what callgrind looks at."""

from __future__ import annotations

import sys

from benchmarks.micro.build import cases

for case in cases().values():
    case(int(sys.argv[1]))
