"""
For the tests of a site: let everything go out that is queued, into memory, and look at it.

::

    from courant_mail.testing import drain

    class NewsletterTests(TestCase):
        def test_subscribers_are_greeted_by_name(self):
            self.client.post("/newsletter/send/")
            [mail] = drain()
            self.assertEqual(mail.rcpt_to, "ann@example.org")
            self.assertIn("Hello Ann", mail.text)

It is the real way out, expansion, claims and all, but for the relays: what they would send is kept, and no network is
used. It works inside the transaction of a `TestCase`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from ..conf import get_settings
from ..exceptions import CourantMailError
from .memory import SentMail

__all__ = ["SentMail", "drain"]

_BACKEND = "courant_mail.testing.memory.MemoryBackend"


def drain(*, refuse: Mapping[str, str] | None = None, deferred: bool = False) -> list[SentMail]:
    """
    Expand the jobs that are due, send all that is queued, and return what went out, in the order of sending.

    `refuse` maps an address to the reply with which a server would refuse it, such as "550 5.1.1 No such user" or
    "450 4.2.0 Greylisted". With `deferred`, deferred messages are sent again at once. Suppressed and invalid
    addresses have their rows and are not returned.

    Raises CourantMailError when a recipient source failed or a relay stands still.
    """
    # Imported here, so that the SMTP server in this package starts without Django's settings and its app registry.
    from .. import engine
    from ..queue.retry import retry_deferred

    box: list[SentMail] = []
    known = get_settings().relays
    replies = dict(refuse or {})
    relays = {
        name: {"BACKEND": _BACKEND, "OPTIONS": {"box": box, "refuse": replies, "name": name}, "CONNECTIONS": 1}
        for name in known
    }
    given: Mapping[str, Any] = getattr(settings, "COURANT_MAIL", {})
    with override_settings(COURANT_MAIL={**given, "RELAYS": relays}):
        expanded = engine.expand_jobs()
        if expanded.errors:
            raise CourantMailError("; ".join(expanded.errors.values()))
        if deferred:
            retry_deferred(timezone.now(), everything=True)
        summary = engine.send()
    if summary.trouble:
        raise CourantMailError(summary.trouble)
    return box
