"""Texts that no friend would write."""

from __future__ import annotations

from hypothesis import strategies as st

#: line ends of every kind, as SMTP servers, MIME parsers and Python know them
LINE_ENDS = ("\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\r\r\n", "\n\r")
#: what some take for the end of a mail
ENDS_OF_DATA = tuple(f"{one}.{other}" for one in ("\r\n", "\n", "\r", "") for other in ("\r\n", "\n", "\r"))
#: what would be another header field, another recipient, another mail, were it read as such
INJECTIONS = (
    "Bcc: eve@evil.example",
    "X-Injected: yes",
    "MAIL FROM:<eve@evil.example>",
    "RCPT TO:<eve@evil.example>",
    "DATA",
    "QUIT",
    "\r\n\r\n",
    "=?utf-8?q?=0D=0ABcc:_eve=40evil.example?=",
    "--=_alternative",
    "<eve@evil.example>",
    ", eve@evil.example",
    "; x=y",
    '"',
    "\\",
    "{{ x }}",
)
NO_CHARACTERS = ("\0", "\ud800", "\udfff", "\ud83d", "\x07", "\x1b[2J", "\x7f", "\x9b", "\ufffe", "\uffff", "\u202e")

PIECES = (*LINE_ENDS, *ENDS_OF_DATA, *INJECTIONS, *NO_CHARACTERS, "a", " ", ".", "é", "\U0001f600")

#: any mixture of them
texts = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
#: any text of Python, lone surrogates and NUL among it
any_text = st.text(st.characters(), max_size=40)
