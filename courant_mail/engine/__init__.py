"""
The corridor: the one place that puts the steps in order.

rescue → expand → claim → render → deliver → record, for one run (`expand_jobs`, `send`) or for ever (`run_forever`).
One coordinator, the calling thread, does all the work with the database; one thread per connection (a courier)
renders and talks to the relay. Before a courier may send a final dot, the coordinator has committed that it is about
to: so the database always knows which messages may be in doubt.

Read in the order `expansion`, `sending`, `coordinator`, `outlet`, `rendering`, `specimen`, `daemon`;
`dry_run` and `rehearsal` do the same for a job that is only tried.
"""

from .daemon import run_forever
from .expansion import expand_jobs
from .sending import send
from .summary import ExpandSummary, SendSummary

__all__ = ["ExpandSummary", "SendSummary", "expand_jobs", "run_forever", "send"]
