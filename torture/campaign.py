"""The battles on one database, in a process of its own: started by `command`, prints a line of JSON for each."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path

from . import plans

#: seconds that a battle takes beside the fighting, as long as that is not known: beginning, sending to the end, audit
_AROUND = 4.0
#: and those that are fought at the least
_LEAST = 1.5


def main() -> int:
    """Fight."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", required=True)
    parser.add_argument("--seconds", type=float, required=True, help="for all battles together")
    parser.add_argument("--short", action="store_true")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))

    import django

    django.setup()
    from django.core.management import get_commands, load_command_class
    from django.db import connection

    from .battle import Battle

    for command, app in get_commands().items():
        if app == "courant_mail":
            load_command_class(app, command)  # once, so that the children need not
    end = time.monotonic() + given.seconds
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        with tempfile.TemporaryDirectory(prefix="courant-mail-torture-") as folder:
            wanted = plans.SHORT if given.short else plans.ALL
            around = _AROUND
            for number, plan in enumerate(wanted):
                place = Path(folder, str(number))
                place.mkdir()
                began = time.monotonic()
                seconds = max(_LEAST, (end - began) / (len(wanted) - number) - around)
                outcome = Battle(plan, seed=f"{given.seed}-{number}", seconds=seconds, folder=place).fight()
                around = time.monotonic() - began - seconds
                print(json.dumps({"name": plan.name, "policy": plan.policy} | outcome.told()), flush=True)
    finally:
        connection.creation.destroy_test_db(str(connection.settings_dict["NAME"]), verbosity=0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
