"""
E-mail addresses and recipients: one canonical spelling, one way to read a recipient, one way to write a list of them.

An address has two spellings here. The *canonical* one (Unicode NFC, lower case, an international domain in its
Unicode form) says whether two addresses are the same person; the *spelled* one is what its owner wrote and what goes
on the wire, because the part before the "@" belongs to the receiving server alone (RFC 5321, 2.4).
"""

from .listing import format_recipients, iter_recipients
from .plain import clean_name, plain_params, plain_value, storable
from .recipient import Recipient, parse_recipient, salvage
from .spelling import MAX_STORED, canonical, needs_smtputf8, redact, redact_all, spellings, to_wire

__all__ = [
    "MAX_STORED",
    "Recipient",
    "canonical",
    "clean_name",
    "format_recipients",
    "iter_recipients",
    "needs_smtputf8",
    "parse_recipient",
    "plain_params",
    "plain_value",
    "redact",
    "redact_all",
    "salvage",
    "spellings",
    "storable",
    "to_wire",
]
