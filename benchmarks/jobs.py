"""What several parts do with our own queue: fill it, expand it, send it, and look how far it has come."""

from __future__ import annotations

from .processes import Failed, Run
from .sites import Site


def fill(site: Site, messages: int, kilobytes: int) -> None:
    """An empty queue, then one job that is expanded and ready to be sent."""
    site.empty()
    site.inside("fill", "courant_mail", messages, kilobytes)
    site.manage("process_mail_jobs", "--verbosity", "0")
    site.database.analyze("courant_mail_")


def sent(site: Site) -> int:
    """How many messages were sent."""
    return int(site.database.value("SELECT count(*) FROM courant_mail_message WHERE sent_at IS NOT NULL"))


def send(site: Site, messages: int) -> Run:
    """One run of `send_mail`. Raises Failed unless all of the messages were sent."""
    done = site.manage("send_mail", "--verbosity", "0")
    must_be_sent(site, messages)
    return done


def must_be_sent(site: Site, messages: int) -> None:
    """Raises Failed unless so many messages were sent."""
    if (found := sent(site)) != messages:
        raise Failed(f"Only {found:,} of {messages:,} messages were sent.")


def idle(site: Site) -> Run:
    """A run of `send_mail` without mail: what starting Python and Django costs."""
    site.empty()
    return site.manage("send_mail", "--verbosity", "0")
