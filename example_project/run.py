#!/usr/bin/env python
"""
The example newspaper in a browser: site, mail daemon and local SMTP server. This is what `make run` does.

    python example_project/run.py [--folder var] [--port 8000] [--subscribers 400]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tools.processes import HERE, Processes, ProcessFailed, free_port

WELCOME = """
The Courant is running.

  Front page   {site}/
  Admin        {site}/admin/news/issue/   user name: editor   password: courant
  Inbox        {site}/inbox/   (what the local SMTP server has received)

Sign in to the admin, tick an issue, choose "Send email update", and watch the inbox fill.
Logs, database and mails are in {folder}. Ctrl-C stops everything.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the example newspaper.")
    parser.add_argument("--folder", type=Path, default=HERE.parent / "var", help="Where everything lives.")
    parser.add_argument("--port", type=int, default=8000, help="Of the site; another one is taken if it is in use.")
    parser.add_argument("--subscribers", type=int, default=400)
    options = parser.parse_args()
    try:
        serve(options.folder.resolve(), options.port, options.subscribers)
    except KeyboardInterrupt:
        print("\nStopped.")
    except ProcessFailed as error:
        sys.exit(str(error))


def serve(folder: Path, wanted_port: int, subscribers: int) -> None:
    """Runs everything until it is interrupted. Raises ProcessFailed when a part of it fails."""
    port, smtp_port = free_port(wanted_port), free_port(2525)
    site = f"http://127.0.0.1:{port}"
    environment = {
        "EXAMPLE_FOLDER": str(folder),
        "EXAMPLE_SMTP_PORT": str(smtp_port),
        "EXAMPLE_SITE_URL": site,
        "EXAMPLE_LOG_LEVEL": "INFO",
    }
    with Processes(folder / "logs", environment) as processes:
        processes.run("migrate", "manage.py", "migrate", "--no-color")
        processes.run("load_sample_data", "manage.py", "load_sample_data", "--subscribers", str(subscribers))
        processes.start("smtp", "local_smtp.py", "--port", str(smtp_port), "--maildir", str(folder / "maildir"))
        processes.wait_for_port("smtp", smtp_port)
        processes.start("mailer", "manage.py", "runmailer")
        processes.start("site", "manage.py", "runserver", "--noreload", "--no-color", str(port))
        processes.wait_for_port("site", port)
        print(WELCOME.format(site=site, folder=folder), flush=True)
        while (ended := processes.ended()) is None:
            time.sleep(0.5)
        raise ProcessFailed(f"{ended} has ended:\n{processes.end_of_log(ended)}")


if __name__ == "__main__":
    main()
