"""
The only code that changes the state of jobs and messages: one module per state change.

In the order of the flow: `enqueue`, `expand`, `claim`, `record`, `rescue`, `retry`, `finish`, `control`,
`resolve`, `suppress`, `purge`; and `dry_run`, for a job that is only tried. What they share: `database`
(transactions), `counters` (the numbers on a job), `senders` (who is running), `relay_state` (how the relays are
doing), `decisions` (what follows an outcome), `agenda` (is there anything to do).
"""
