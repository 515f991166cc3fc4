"""The seed of what these tests leave to chance: fixed and printed, or another one where it is asked for."""

from __future__ import annotations

import os

SEED = int(os.environ.get("COURANT_TEST_SEED", "20260301"))
print(f"The faults are dealt by the seed {SEED} (COURANT_TEST_SEED names another).", flush=True)
