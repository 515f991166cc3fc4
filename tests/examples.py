"""
How many examples those tests try that make up their own, and which ones.

Ordinarily few, and the same in every run. With `COURANT_TEST_EXAMPLES=20` in the environment twenty times as many, from
a seed that is printed and that `COURANT_TEST_SEED` repeats.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import hypothesis

Test = TypeVar("Test", bound=Callable[..., Any])

TIMES = max(1, int(os.environ.get("COURANT_TEST_EXAMPLES") or 1))
SEED = int(os.environ.get("COURANT_TEST_SEED") or random.randrange(10**9))

if TIMES > 1:
    print(f"COURANT_TEST_EXAMPLES={TIMES} COURANT_TEST_SEED={SEED}", file=sys.stderr)


def settings(count: int, **more: Any) -> hypothesis.settings:
    """Settings of hypothesis for so many examples, times `TIMES`."""
    slow = [hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large]
    return hypothesis.settings(
        max_examples=count * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        suppress_health_check=slow,
        **more,
    )


def examples(count: int) -> Callable[[Test], Test]:
    """The decorator of a test with `@given`: try so many examples, times `TIMES`."""

    def decorate(test: Test) -> Test:
        return settings(count)(test if TIMES == 1 else hypothesis.seed(SEED)(test))

    return decorate
