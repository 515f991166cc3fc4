#!/usr/bin/env python3
"""Start the benchmarks: `python benchmarks/run.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path

# In place of this folder, whose modules are parts of the package `benchmarks` and nothing else.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

if __name__ == "__main__":
    from benchmarks.command import main

    sys.exit(main())
