"""
Signals for what has happened to mail, sent after commit and in batches.

They are sent at most once: a process that is killed between commit and signal sends none, so keep facts that must
not be missed in your own queries over `Message`. A receiver that raises is logged and disturbs nobody.
"""

from django.dispatch import Signal

#: ``sender``: `Message`; ``ids``: list of the primary keys of messages that a relay has accepted
messages_sent = Signal()

#: ``sender``: `Message`; ``ids``: list of the primary keys of messages that failed for good
messages_failed = Signal()

#: ``sender``: `MessageJob`; ``job``: the job, every message of which has reached its end
job_finished = Signal()
