"""
A letter: the words of a mail, compiled once, from which each recipient's finished bytes are rendered.

Python's `email` package takes milliseconds to build such a mail. Here everything that all recipients share is encoded
when the letter is compiled; a recipient costs the merge values, five header fields and one join.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.utils.module_loading import import_string

from ..addresses import to_wire
from ..conf import get_settings
from ..exceptions import InvalidMail
from ..wire import WireBytes, is_clean
from . import decorators as registry
from .encode import quoted_printable, unified_newlines
from .headers import (
    MAX_SUBJECT,
    address_field,
    custom_fields,
    date_field,
    mailboxes_field,
    message_id_field,
    one_mailbox,
    subject_field,
    unsubscribe_fields,
)
from .html import prepare_html, tags_as_typed
from .limits import refuse_too_large
from .mime import body
from .sandbox import new_context
from .template import Program, Run, Step, checked_nodes, compile_template
from .words import AttachedFile, Decorator, To, Words

__all__ = ["AttachedFile", "Decorator", "Letter", "To", "Words", "compile_letter"]


def compile_letter(
    words: Words,
    *,
    decorators: Sequence[Decorator] = (),
    max_bytes: int | None = None,
    html_to_text: Callable[[str], str] | None = None,
) -> Letter:
    """
    The letter of these words, after the registered decorators and the given ones have had them.

    `max_bytes` limits the finished mail and `html_to_text` makes a missing text part; both are those of the settings
    where they are not given.

    Raises InvalidMail with a reason that names the part: subject, text, html (with the line), from, reply-to, headers,
    attachment, or the size.
    """
    words = registry.decorate(words, (*registry.registered(), *decorators))
    limit = get_settings().max_message_bytes if max_bytes is None else max_bytes
    # Before anything is encoded: a file in base64 is larger by a third.
    files = sum(len(file.content) for file in words.attachments) * 4 // 3
    refuse_too_large(files + sum(map(len, (words.subject, words.text, words.html))), limit)
    text, html = _parts(words, html_to_text)
    letter = Letter(words, text, html, limit)
    refuse_too_large(letter.size, limit)
    return letter


class Letter:
    """
    A compiled mail. `mail_from` is the sender of its envelope; `size` the bytes that all recipients share.

    Immutable: any number of threads may render it at once.
    """

    def __init__(self, words: Words, text: Program[bytes] | None, html: Program[bytes] | None, max_bytes: int) -> None:
        sender = one_mailbox("from", words.from_email)
        self.mail_from: str = to_wire(sender.spelled or sender.address, smtputf8=True)
        self._bulk = words.bulk
        self._max_bytes = max_bytes
        self._subject = _subject(words.subject)
        self._slots: list[bytes] = [b"", _shared_fields(words)]
        self._parts: list[tuple[str, bool, list[tuple[int, Step[bytes]]]]] = []
        for segment in body(words, text, html, words.attachments):
            if isinstance(segment, bytes):
                self._slots.append(segment)
            else:
                self._add_part("html" if segment is html else "text", segment, escape=segment is html)
        self.size: int = sum(map(len, self._slots))
        self._clean = all(map(is_clean, self._slots))

    def _add_part(self, name: str, program: Program[bytes], *, escape: bool) -> None:
        offset = len(self._slots)
        self._slots += program.pieces
        self._parts.append((name, escape, [(offset + index, step) for index, step in program.steps]))

    def render(self, to: To) -> bytes:
        """
        The finished mail for one recipient: RFC 5322, CRLF only, no line over 998 characters, not dot-stuffed.

        Raises InvalidMail with the reason when a merge value, the address or the size makes it impossible.
        """
        slots, clean = self._filled(to, None)
        data = b"".join(slots)
        refuse_too_large(len(data), self._max_bytes)
        return WireBytes(data) if clean else data

    def measure(self, to: To, blanks: set[str]) -> int:
        """
        The size of what `render` would make, and whether it would: raises InvalidMail in the same cases.

        Puts into `blanks` the names of the merge values that the words ask for and this recipient has not, or only
        an empty one. What a filter such as `default` or an `{% if %}` around it takes care of is not among them.
        """
        slots, _ = self._filled(to, blanks)
        size = sum(map(len, slots))
        refuse_too_large(size, self._max_bytes)
        return size

    def _filled(self, to: To, blanks: set[str] | None) -> tuple[list[bytes], bool]:
        """The pieces of the mail for one recipient, and whether all of them are known to be clean."""
        values = dict(to.merge) if to.merge else {}
        name = to.name or values.get("name") or ""
        values["email"] = to.address
        values["name"] = name
        values["unsubscribe_url"] = to.unsubscribe_url
        run = Run(new_context(values), self._max_bytes, blanks)
        slots = self._slots.copy()
        slots[0] = self._own_fields(to, str(name), run)
        clean = blanks is None and self._clean and is_clean(slots[0])
        for part, escape, steps in self._parts:
            run.context.autoescape = escape
            try:
                for index, step in steps:
                    piece = slots[index] = step(run)
                    clean = clean and is_clean(piece)
            except Exception as error:
                raise _unrenderable(part, error) from error
        return slots, clean

    def _own_fields(self, to: To, name: str, run: Run) -> bytes:
        """The header fields that differ from recipient to recipient."""
        subject = self._subject
        if not isinstance(subject, bytes):
            run.context.autoescape = False
            try:
                subject = subject_field(subject.render(run))
            except InvalidMail:
                raise
            except Exception as error:
                raise _unrenderable("subject", error) from error
        reader = address_field("To", "", to.sent_to) if to.sent_to else address_field("To", name, to.address)
        fields = date_field(to.date) + message_id_field(to.message_id) + reader + subject
        if self._bulk and to.unsubscribe_url:
            fields += unsubscribe_fields(to.unsubscribe_url)
        return fields


def _parts(
    words: Words, html_to_text: Callable[[str], str] | None
) -> tuple[Program[bytes] | None, Program[bytes] | None]:
    """The programs of text and HTML; a mail without any words has an empty text."""
    html = None
    text = words.text
    if words.html.strip():
        trusted = not words.sanitize_html
        # First as it was written, so that the line of a mistake is the line the author sees.
        source = words.html if trusted else tags_as_typed(words.html)
        checked_nodes("html", source, trusted=trusted)
        source = prepare_html(source, sanitized=not trusted)
        html = compile_template("html", _ended(source), quoted_printable, trusted=trusted)
        if not text.strip():
            return _text_from_html(source, html_to_text), html
    return compile_template("text", _ended(text), quoted_printable), html


def _text_from_html(source: str, html_to_text: Callable[[str], str] | None) -> Program[bytes]:
    if html_to_text is None:
        html_to_text = import_string(get_settings().html_to_text)
    try:
        return compile_template("text", _ended(html_to_text(source)), quoted_printable)
    except InvalidMail as error:
        raise InvalidMail(f"The text made from the HTML is no template: {error} Give the mail a text.") from error


def _ended(text: str) -> str:
    text = unified_newlines(text)
    return text if text.endswith("\n") else f"{text}\n"


def _subject(source: str) -> Program[str] | bytes:
    """The Subject field where all recipients get the same, else its program."""
    source = source.strip()
    if len(source.splitlines()) > 1:
        raise InvalidMail("subject: it must be one line; line breaks are not allowed in a header field.")
    program = compile_template("subject", source, str)
    if not program.steps:
        return subject_field("".join(program.pieces))
    shortest = sum(map(len, program.pieces))
    if shortest > MAX_SUBJECT:
        raise InvalidMail(f"subject: it has {shortest:,} characters; {MAX_SUBJECT} are possible.")
    return program


def _shared_fields(words: Words) -> bytes:
    sender = one_mailbox("from", words.from_email)
    fields = address_field("From", sender.name, sender.spelled or sender.address)
    if words.reply_to.strip():
        fields += mailboxes_field("Reply-To", "reply-to", words.reply_to)
    if words.bulk and "precedence" not in {str(name).lower() for name in words.headers}:
        # Vacation programs stay silent on it (RFC 3834, 2): thousands of their replies help nobody.
        fields += b"Precedence: bulk\r\n"
    return fields + custom_fields(words.headers, bulk=words.bulk) + b"MIME-Version: 1.0\r\n"


def _unrenderable(part: str, error: Exception) -> InvalidMail:
    return InvalidMail(f"{part}: it cannot be rendered with these merge values: {error}")
