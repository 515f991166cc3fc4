"""
The pages of the admin: jobs, messages with their attempts, suppressions, senders and relays.

For the admin classes of a site: `ObjectMail` and `ObjectMailAdminMixin`.
"""

from .jobs import MessageJobAdmin
from .messages import MessageAdmin
from .object_mail import ObjectMail, ObjectMailAdminMixin
from .senders import RelayStateAdmin, SenderAdmin
from .suppressions import SuppressionAdmin

__all__ = [
    "MessageAdmin",
    "MessageJobAdmin",
    "ObjectMail",
    "ObjectMailAdminMixin",
    "RelayStateAdmin",
    "SenderAdmin",
    "SuppressionAdmin",
]
