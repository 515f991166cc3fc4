"""Everything that an SMTP server can do wrong, as rules that strike at random."""

from __future__ import annotations

from collections.abc import Iterator

from .smtp_script import Action, Rule, Step, close, drip, garbage, half, late, reply, reset, silence

_OUT_OF_TURN = garbage(b"250-yes\r\n550 no\r\n")


def chaos(seed: int | str, share: float, hang: float) -> Iterator[Rule]:
    """
    Rules under which about this share of all mails, and of all connections, meets some fault.

    The same seed deals the same faults: what a mail meets depends on its addresses and on how often they have come
    by, what a connection meets on its number, and neither on what happens beside it. A late answer comes after `hang`
    seconds.
    """
    for faults in (_of_a_mail(hang), _of_a_connection(hang)):
        whole = sum(weight for _, _, weight in faults)
        for number, (step, action, weight) in enumerate(faults):
            yield Rule(step, action, chance=share * weight / whole, seed=f"{seed}/{number}")
    yield Rule("mail", reply(421, "4.7.0 too many messages on this connection", close=True), beyond=50)


def _of_a_mail(hang: float) -> list[tuple[Step, Action, float]]:
    """What can happen to one mail, and how often beside the others."""
    return [
        ("mail", reply(450, "4.1.8 your domain cannot be found now"), 2),
        ("mail", reply(451, "4.3.0 the disk is full"), 1),
        ("mail", reply(421, "4.7.0 too many mails from you", close=True), 2),
        ("mail", reply(550, "5.7.1 not with this sender"), 1),
        ("mail", close(), 2),
        ("mail", garbage(), 1),
        ("mail", silence(), 1),
        ("rcpt", reply(450, "4.2.0 greylisted", "come again later"), 8),
        ("rcpt", reply(452, "4.2.2 the mailbox is full"), 3),
        ("rcpt", reply(550, "5.1.1 no such user"), 3),
        ("rcpt", reply(550, "we do not like you", "at all"), 2),
        ("rcpt", reply(421, "4.3.2 going down", close=True), 2),
        ("rcpt", half(), 1),
        ("rcpt", reset(), 2),
        ("rcpt", drip(0.001), 2),
        ("data", reply(451, "4.3.0 later"), 2),
        ("data", reply(554, "5.7.1 no"), 1),
        ("data", close(), 2),
        ("data", _OUT_OF_TURN, 1),
        ("body", close(), 2),
        ("body", reset(), 2),
        ("body", reply(421, "4.4.2 it takes too long", close=True), 1),
        ("body", reply(552, "5.3.4 too large", close=True), 1),
        ("dot", reply(451, "4.3.0 come again", "really"), 4),
        ("dot", reply(554, "5.7.1 looks like spam"), 2),
        ("dot", reply(250, "2.0.0 queued", "with pleasure"), 4),
        ("dot", reply(250, "2.0.0 queued, and goodbye", close=True), 2),
        ("dot", drip(0.001), 2),
        ("dot", close(accept=True), 3),
        ("dot", close(), 3),
        ("dot", reset(accept=True), 2),
        ("dot", half(), 1),
        ("dot", garbage(), 1),
        ("dot", _OUT_OF_TURN, 1),
        ("dot", silence(accept=True), 1),
        ("dot", late(hang), 1),
    ]


def _of_a_connection(hang: float) -> list[tuple[Step, Action, float]]:
    return [
        ("connect", reply(421, "4.3.2 going down", close=True), 3),
        ("connect", reply(421, "4.7.0 too many connections", close=True), 3),
        ("connect", reply(554, "5.7.1 go away", close=True), 1),
        ("connect", reply(220, "test.example ESMTP", "says hello", "at length"), 4),
        ("connect", drip(0.001), 4),
        ("connect", close(), 3),
        ("connect", garbage(), 1),
        ("connect", silence(), 1),
        ("connect", late(hang), 1),
        ("ehlo", reply(250, "test.example"), 6),  # not one extension
        ("ehlo", reply(250, "test.example", "PIPELINING", "SIZE 100"), 1),
        ("ehlo", reply(502, "5.5.1 what is that?"), 3),
        ("ehlo", reply(421, "4.3.2 going down", close=True), 2),
        ("ehlo", half(), 1),
        ("ehlo", reset(), 2),
        ("quit", close(), 2),
        ("quit", silence(), 1),
    ]
