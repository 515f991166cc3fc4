#!/usr/bin/env python
"""
A real SMTP server for this machine alone, which delivers nothing: it keeps what it gets.

    python example_project/local_smtp.py --port 2525 --maildir var/maildir

Every mail becomes a file in the maildir, and every delivery and refusal a line of JSON in `journal.jsonl` beside it,
in the order in which they happened. Addresses at `busy.example` are refused at the first try (451, as greylisting
servers do) and accepted at the second; addresses at `gone.example` are refused for good (550).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import signal
import time
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from tools.journal import JOURNAL, read_journal

REFUSED_FOR_NOW = r"@busy\.example$"
REFUSED_FOR_GOOD = r"@gone\.example$"


class KeepingHandler:
    """What the server answers, and what it writes down."""

    def __init__(self, maildir: Path, *, seconds_per_mail: float, for_now: str, for_good: str) -> None:
        self.seconds_per_mail = seconds_per_mail
        self.for_now = re.compile(for_now, re.IGNORECASE)
        self.for_good = re.compile(for_good, re.IGNORECASE)
        for folder in ("tmp", "new", "cur"):
            (maildir / folder).mkdir(parents=True, exist_ok=True)
        self.maildir = maildir
        known = read_journal(maildir)
        self.accepted = sum(1 for line in known if line["event"] == "accepted")
        self.seen = {line["recipient"] for line in known if line["event"] == "refused for now"}
        self.journal = (maildir / JOURNAL).open("a", encoding="utf-8")

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offers PIPELINING (RFC 2920) as well: aiosmtpd reads command by command, so it can, but does not say so."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.for_good.search(address):
            self.note("refused for good", recipient=address)
            return "550 5.1.1 Nobody lives here any more"
        if self.for_now.search(address) and address not in self.seen:
            self.seen.add(address)
            self.note("refused for now", recipient=address)
            return "451 4.7.1 Greylisted, please try again later"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.seconds_per_mail:
            await asyncio.sleep(self.seconds_per_mail)
        content = envelope.original_content or b""
        self.accepted += 1
        name = f"{self.accepted:08d}.eml"
        (self.maildir / "tmp" / name).write_bytes(content)
        (self.maildir / "tmp" / name).rename(self.maildir / "new" / name)
        for address in envelope.rcpt_tos:
            self.note("accepted", position=self.accepted, recipient=address, sender=envelope.mail_from, file=name)
        return f"250 2.0.0 Kept as {name}"

    def note(self, event: str, **facts: Any) -> None:
        """One line of the journal, on disk before the client gets its answer."""
        line = json.dumps({"event": event, "at": time.time()} | facts, ensure_ascii=False)
        self.journal.write(line + "\n")
        self.journal.flush()


async def serve(handler: KeepingHandler, port: int) -> None:
    """Serves until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(
        lambda: SMTP(handler, enable_SMTPUTF8=True, hostname="local.courant.example", ident="ESMTP"), "127.0.0.1", port
    )
    print(f"SMTP on 127.0.0.1:{port}, keeping mail in {handler.maildir}", flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="A local SMTP server that keeps what it gets.")
    parser.add_argument("--port", type=int, default=2525)
    parser.add_argument("--maildir", type=Path, required=True)
    parser.add_argument("--milliseconds-per-mail", type=float, default=0, help="How long each mail takes, at least.")
    parser.add_argument("--refuse-for-now", default=REFUSED_FOR_NOW, metavar="REGEX")
    parser.add_argument("--refuse-for-good", default=REFUSED_FOR_GOOD, metavar="REGEX")
    options = parser.parse_args()
    handler = KeepingHandler(
        options.maildir,
        seconds_per_mail=options.milliseconds_per_mail / 1000,
        for_now=options.refuse_for_now,
        for_good=options.refuse_for_good,
    )
    asyncio.run(serve(handler, options.port))


if __name__ == "__main__":
    main()
