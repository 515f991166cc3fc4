"""A very small browser: real HTTP, cookies, forms with their hidden fields. It knows nothing of Django."""

from __future__ import annotations

import html
import re
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar


@dataclass
class Form:
    """A form of a page: where it goes, and the fields that are already filled in."""

    action: str = ""
    method: str = "get"
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        return {name for name, _ in [*self.fields, *self.buttons]}


class _FormReader(HTMLParser):
    """Collects forms. Of check boxes, only the ticked ones; of selects, the chosen option."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._select: str | None = None
        self._textarea: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
        elif self.forms:
            self._read_control(self.forms[-1], tag, given)

    def _read_control(self, form: Form, tag: str, given: dict[str, str]) -> None:
        name, kind = given.get("name", ""), given.get("type", "text")
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in given:
            form.fields.append((self._select, given.get("value", "")))
        elif tag == "textarea":
            self._textarea = name
        elif tag == "button" or (tag == "input" and kind == "submit"):
            form.buttons.append((name, given.get("value", "")))
        elif tag == "input" and name and (kind not in ("checkbox", "radio") or "checked" in given):
            form.fields.append((name, given.get("value", "")))

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.forms[-1].fields.append((self._textarea, data))
            self._textarea = None

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None
        elif tag == "textarea":
            self._textarea = None


class Browser:
    """Goes from page to page and keeps the cookies. Raises urllib.error.HTTPError for pages that are errors."""

    def __init__(self, site: str) -> None:
        self.url = site
        self.text = ""
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def get(self, path: str) -> None:
        self._open(urllib.request.Request(urllib.parse.urljoin(self.url, path)))

    def submit(self, form: Form, values: dict[str, str], button: tuple[str, str] | None = None) -> None:
        """Sends the form with `values` filled in, as a click on `button` would."""
        kept = [(name, value) for name, value in form.fields if name not in values]
        pairs = [*kept, *values.items(), *([button] if button and button[0] else [])]
        target = urllib.parse.urljoin(self.url, form.action)
        request = urllib.request.Request(target, data=urllib.parse.urlencode(pairs).encode(), method="POST")
        # Browsers say where a form comes from, and Django's CSRF protection wants to know.
        request.add_header("Referer", self.url)
        self._open(request)

    def form_with(self, name: str) -> Form:
        """The form of the page that has a field or button of this name. Raises LookupError where none has."""
        reader = _FormReader()
        reader.feed(self.text)
        for form in reader.forms:
            if name in form.names:
                return form
        raise LookupError(f"No form of {self.url} has a field {name!r}.")

    def first_value_of(self, name: str) -> str:
        """The value of the first field of this name on the page, ticked or not. Raises LookupError where none is."""
        for attributes in re.findall(r"<input\b([^>]*)>", self.text):
            given = dict(re.findall(r'([\w-]+)="([^"]*)"', attributes))
            if given.get("name") == name:
                return html.unescape(given.get("value", ""))
        raise LookupError(f"{self.url} has no field {name!r}.")

    def _open(self, request: urllib.request.Request) -> None:
        with self._opener.open(request, timeout=60) as response:
            self.text = response.read().decode()
            self.url = response.geturl()
