"""
Queue high-priority mails now and then: `python -m benchmarks.inside.urgent COUNT SECONDS`, the mean pause between two.

Tells, by recipient, when each was about to be queued and when that was committed, in seconds since the epoch.
"""

from __future__ import annotations

import random
import sys
import time

from benchmarks.inside import program


def main(count: int, pause: float) -> dict[str, tuple[float, float]]:
    """What a site does when somebody has forgotten a password, so many times."""
    from courant_mail.api import send_mail

    times: dict[str, tuple[float, float]] = {}
    # Not in step with anything that happens at intervals; the same pauses in every run.
    chance = random.Random(count)
    for number in range(count):
        recipient = f"urgent-{number}@example.org"
        before = time.time()
        send_mail("Your new password", "Follow this link.", None, [recipient], priority="high")
        times[recipient] = (before, time.time())
        time.sleep(pause * chance.uniform(0.5, 1.5))
    return times


if __name__ == "__main__":
    program.begin()
    program.tell(main(int(sys.argv[1]), float(sys.argv[2])))
