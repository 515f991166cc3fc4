"""What a reader, a mail program or the law would find fault with in a finished mail; nothing here stops it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from .preview import Preview
from .scan import Tag, scan

#: Gmail shows no more of the HTML than this and hides the rest, the link to unsubscribe included, behind "View entire
#: message". Google does not document it. What people have measured (spamresource.com, "What is Gmail clipping", 2022;
#: github.com/hteumeuleu/email-bugs/issues/41) lies between 102,000 and 105,000 bytes of HTML; pictures and attachments
#: do not count. Some saw the escapes of the transfer encoding counted as well, others not; so the smallest limit is
#: taken, on the HTML after decoding.
CLIPPED_BYTES = 102_000
#: RFC 5322, 2.1.1: what a line should not exceed, and more than any mail program shows in its list
LONG_SUBJECT = 78
#: many servers take no larger mail
LARGE_BYTES = 10_000_000

_MOST_EXAMPLES = 5
_LONGEST_EXAMPLE = 120
#: fewer letters than this beside pictures are no words
_FEW_LETTERS = 20

_WITHOUT_HOST = frozenset(
    {"mailto", "tel", "sms", "cid", "geo", "webcal", "xmpp", "whatsapp", "tg", "signal", "market"}
)
_ACTING = frozenset({"javascript", "vbscript", "data", "file"})
_ACTIVE_TAGS = frozenset(
    {"script", "form", "input", "button", "select", "textarea", "iframe", "object", "embed", "applet", "base", "frame"}
)
_PRIVATE_ENDINGS = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home", ".corp", ".test", ".invalid")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):(.*)", re.IGNORECASE | re.DOTALL)
_PORT = re.compile(r"\d+(?:[/?#]|\Z)")
#: what is left of a template, ours or that of another service
_PLACEHOLDER = re.compile(r"\{\{[^{}\n]{0,80}\}\}|\{%[^%\n]{0,80}%\}|\*\|[A-Z0-9_:]{1,40}\|\*")
#: what links to unsubscribe are called, in the addresses or the words, so that a site may have a page of its own
_UNSUBSCRIBE = re.compile(
    r"unsubscrib|opt[ _-]?out|abbestell|abmeld|austragen|d[eé]sabonn|d[eé]sinscri|se d[eé]sinscr|uitschrij|afmeld|"
    r"darse de baja|cancelar (?:la )?(?:suscrip|inscri|subscri)|desuscri|disiscri|avprenumer|avregistr|avmeld|wypisz|"
    r"odhl[aá]s|leiratkoz|отпис",
    re.IGNORECASE,
)

_TEXTS: Mapping[str, Any] = {
    "no_unsubscribe_link": _(
        "There is no link to unsubscribe in the mail. Put {{ unsubscribe_url }} where readers will find it; whoever "
        "finds none reports the mail as unwanted."
    ),
    "no_subject": _("The subject is empty."),
    "placeholder_left": ngettext_lazy(
        "A placeholder is left in the mail; readers will see it as it stands.",
        "%(number)s placeholders are left in the mail; readers will see them as they stand.",
        "number",
    ),
    "no_words": _("There are no words in the mail."),
    "no_text": _(
        "The text part is empty. Programs that show no HTML show nothing, and spam filters distrust such mail."
    ),
    "only_images": _("The mail has pictures and hardly any words. Where pictures are blocked, readers see nothing."),
    "link_without_host": ngettext_lazy(
        "A link leads nowhere: from a mail it needs the whole address, beginning with https://.",
        "%(number)s links lead nowhere: from a mail they need the whole address, beginning with https://.",
        "number",
    ),
    "image_without_host": ngettext_lazy(
        "A picture cannot be found: in a mail it needs the whole address, beginning with https://.",
        "%(number)s pictures cannot be found: in a mail they need the whole address, beginning with https://.",
        "number",
    ),
    "private_address": ngettext_lazy(
        "An address can only be reached from inside your own network.",
        "%(number)s addresses can only be reached from inside your own network.",
        "number",
    ),
    "html_too_large": _(
        "The HTML part has %(number)s kB. Gmail clips what is above 102 kB, and hides the end of the mail."
    ),
    "mail_too_large": _("The mail has %(number)s MB with its attachments. Many servers take no more than 10 MB."),
    "image_without_alt": ngettext_lazy(
        "A picture has no alternative text (alt). Who cannot see pictures does not learn what it shows.",
        "%(number)s pictures have no alternative text (alt). Who cannot see pictures does not learn what they show.",
        "number",
    ),
    "active_content": _("Mail programs remove what can act: forms, scripts, frames and the like."),
    "long_subject": _("The subject has %(number)s characters. Most readers will see only the beginning of it."),
}

#: every code of a finding, the gravest first
CODES = tuple(_TEXTS)


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One kind of fault: its code, how many there are (or how large it is), and some of them as they stand in the mail.

    The sentence is made when it is shown, in the language of whoever reads it. The examples are whatever somebody
    has written: escape them.
    """

    code: str
    number: int = 1
    examples: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The finding as a sentence for editors."""
        words = _TEXTS.get(self.code)
        if words is None:  # of a report that another version has made
            return self.code
        return str(words % {"number": self.number})

    def as_json(self) -> dict[str, Any]:
        """What is stored of it."""
        return {"code": self.code, "number": self.number, "examples": list(self.examples)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Finding:
        """The finding that was stored."""
        return cls(str(stored["code"]), int(stored["number"]), tuple(map(str, stored["examples"])))


def lint(mail: Preview, *, size: int, bulk: bool) -> tuple[Finding, ...]:
    """
    What is wrong with a finished mail of `size` bytes, the gravest first.

    Total and in linear time, whatever stands in the mail.
    """
    page = _read(mail.html)
    found = [
        *_without_unsubscribe(mail, page, bulk),
        *_faults_of_words(mail, page),
        *_faults_of_addresses(page),
        *_several("image_without_alt", (_shown(image.get("src", "")) for image in page.images if "alt" not in image)),
        *_several("active_content", page.active),
        *_too_large(mail, size),
    ]
    return tuple(sorted(found, key=lambda finding: CODES.index(finding.code)))


@dataclass(slots=True)
class _Page:
    """What the HTML part holds: links with their words, the attributes of pictures, what can act, and its text."""

    links: list[tuple[str, str]] = field(default_factory=list)
    images: list[Mapping[str, str]] = field(default_factory=list)
    active: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


def _read(html: str) -> _Page:
    page = _Page()
    address: str | None = None
    words: list[str] = []

    def end_link() -> None:
        if address is not None:
            page.links.append((_trimmed(address), "".join(words)))

    for piece in scan(html):
        if isinstance(piece, str):
            page.text.append(piece)
            words.append(piece)
        elif piece.name in ("a", "area"):
            end_link()
            address, words = None if piece.ends else piece.attributes.get("href"), []
        elif not piece.ends:
            _note(page, piece)
            words.append(piece.attributes.get("alt", ""))
    end_link()
    page.active += [address for address, _words in page.links if _scheme(address) in _ACTING]
    return page


def _note(page: _Page, tag: Tag) -> None:
    if tag.name == "img":
        page.images.append(tag.attributes)
    if tag.name in _ACTIVE_TAGS:
        page.active.append(f"<{tag.name}>")
    page.active += [name for name in tag.attributes if name.startswith("on") and name.isalpha()]


def _without_unsubscribe(mail: Preview, page: _Page, bulk: bool) -> Iterator[Finding]:
    """Each part is read by somebody who does not see the other."""
    parts = []
    if mail.html and not any(_leads_out(mail, f"{address} {words}") for address, words in page.links):
        parts.append("HTML")
    if mail.text.strip() and not _leads_out(mail, mail.text):
        parts.append("text")
    if bulk:
        yield from _several("no_unsubscribe_link", parts)


def _leads_out(mail: Preview, words: str) -> bool:
    own = bool(mail.unsubscribe_url) and mail.unsubscribe_url in words
    return own or _UNSUBSCRIBE.search(words) is not None


def _faults_of_words(mail: Preview, page: _Page) -> Iterator[Finding]:
    subject, seen = mail.subject.strip(), "".join(page.text)
    if not subject:
        yield Finding("no_subject")
    if len(subject) > LONG_SUBJECT:
        yield Finding("long_subject", len(subject))
    if not mail.text.strip():
        yield Finding("no_text" if mail.html else "no_words")
    if page.images and sum(map(len, seen.split())) < _FEW_LETTERS:
        yield Finding("only_images", len(page.images))
    values = [image.get(name, "") for image in page.images for name in ("src", "alt")]
    everywhere = [mail.subject, mail.text, seen, *(address for address, _words in page.links), *values]
    yield from _several("placeholder_left", (left for text in everywhere for left in _PLACEHOLDER.findall(text)))


def _faults_of_addresses(page: _Page) -> Iterator[Finding]:
    links = [address for address, _words in page.links]
    images = [_trimmed(image.get("src", "")) for image in page.images]
    yield from _several("link_without_host", (link for link in links if _host(link) == ""))
    yield from _several("image_without_host", (image for image in images if _host(image) == ""))
    yield from _several("private_address", (one for one in (*links, *images) if _is_private(_host(one))))


def _too_large(mail: Preview, size: int) -> Iterator[Finding]:
    if mail.html_size > CLIPPED_BYTES:
        yield Finding("html_too_large", -(-mail.html_size // 1000))
    if size > LARGE_BYTES:
        yield Finding("mail_too_large", -(-size // 1_000_000))


def _several(code: str, found: Iterable[str]) -> Iterator[Finding]:
    """One finding for all that was found, the same thing counted once."""
    different = list(dict.fromkeys(found))
    if different:
        yield Finding(code, len(different), tuple(map(_shown, different[:_MOST_EXAMPLES])))


def _shown(example: str) -> str:
    if example.startswith("data:"):
        example = example.partition(",")[0] + ",…"
    return example if len(example) <= _LONGEST_EXAMPLE else f"{example[:_LONGEST_EXAMPLE]}…"


def _trimmed(address: str) -> str:
    """The address as a mail program follows it."""
    return re.sub(r"[\t\r\n]", "", address).strip("".join(map(chr, range(33))))


def _scheme(address: str) -> str:
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def _host(address: str) -> str | None:
    """The host that the address names, empty where it should name one, None where it needs none."""
    found = _SCHEME.match(address)
    scheme, rest = (found[1].lower(), found[2]) if found else ("", "")
    if scheme in ("http", "https"):
        try:
            return urlsplit(address).hostname or ""
        except ValueError:
            return ""
    if address.startswith("#") or scheme in _WITHOUT_HOST | _ACTING:
        return None
    # What looks like a scheme may be the host: example.org:8080/news
    return "" if not scheme or "." in scheme or _PORT.match(rest) else None


def _is_private(host: str | None) -> bool:
    if not host:
        return False
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.rstrip(".").endswith(_PRIVATE_ENDINGS)
