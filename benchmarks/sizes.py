"""How much of everything is measured: enough to tell, within minutes; or just enough to see that it works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Numbers of messages and of repetitions. Peers get fewer messages where they are slower: a rate is a rate."""

    #: how often everything short is measured
    runs: int
    #: whether everybody is measured in every setting, or only who is in the targets
    everybody: bool
    #: messages of one run of ours and of smtp-source, at full speed
    fast: int
    #: seconds that a run of a peer should take at the speeds of `peers.py`
    peer_seconds: float
    #: messages of one run of ours to the relay of 100 ms, over 50 connections
    delayed: int
    #: messages of django-mailer to the relay of 100 ms
    delayed_peer: int
    #: recipients of the expansion
    expand: int
    #: how often the expansion is measured
    expand_runs: int
    #: queues in which memory and speed are watched while they are sent
    growth: tuple[int, ...]
    #: the first and the last so many messages are compared
    window: int
    #: repetitions of queueing a job, and of an empty run of each command
    queueing: int
    empty: int
    #: high-priority mails while a bulk job runs, and mails to the idle daemon
    urgent: int
    idle: int
    #: rows of the very large queue, and how many of them are sent
    huge: int
    huge_sent: int
    #: messages through Exim and through the remote service
    relayed: int


FULL = Sizes(
    runs=3,
    everybody=True,
    fast=6_000,
    peer_seconds=1.5,
    delayed=5_000,
    delayed_peer=30,
    expand=1_000_000,
    expand_runs=1,
    growth=(1_000, 100_000, 1_000_000),
    window=10_000,
    queueing=60,
    empty=7,
    urgent=200,
    idle=120,
    huge=10_000_000,
    huge_sent=200_000,
    relayed=3_000,
)

QUICK = Sizes(
    runs=1,
    everybody=False,
    fast=1_000,
    peer_seconds=0.5,
    delayed=1_000,
    delayed_peer=5,
    expand=20_000,
    expand_runs=1,
    growth=(1_000, 5_000, 10_000),
    window=1_000,
    queueing=10,
    empty=2,
    urgent=20,
    idle=20,
    huge=200_000,
    huge_sent=5_000,
    relayed=300,
)
