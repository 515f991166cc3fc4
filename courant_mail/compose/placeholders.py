"""
Template tags kept out of the way of HTML tools.

The sanitiser, the CSS inliner and html2text read HTML, not templates: they would quote, move or drop ``{{ … }}`` and
``{% … %}``. So each tag is replaced by a token that means nothing to them and is put back afterwards: between
elements a comment, which may stand anywhere, even between the rows of a table; inside a tag, a style sheet, a title
or a comment a plain word.

What such tools cannot carry at all is put aside as a whole: attributes between ``{% if %}`` and ``{% endif %}``, and
style attributes that are no list of declarations.
"""

from __future__ import annotations

import re

from .markup import ATTRIBUTE, RAW_ELEMENTS, SCANNED_TAG, SPECIAL
from .tags import split_tags

_DECLARATIONS = re.compile(r"\s*+(?:-?[a-zA-Z_][\w-]*+\s*+:[^;:{}]*+(?:;\s*+|$))*+").fullmatch

_TBODY_OR_COMMENT = re.compile(r"<!--.*?-->|</?tbody(?=[\s>])[^>]*>", re.DOTALL)


class Placeholders:
    """The template tags of one HTML source, and the tokens that stand for them."""

    def __init__(self, source: str, *, trusted: bool = True) -> None:
        self.trusted = trusted
        self.key = "zq"
        while self.key in source.lower():
            self.key += "q"
        #: the attribute that marks a <tbody> of the author's own
        self.written = f"{self.key}t"
        # While the HTML is taken apart, a tag is one character run that HTML gives no meaning to.
        self._mark = re.compile("\ue000([0-9]+)\ue001")
        self.originals: list[str] = []
        self._numbers: dict[str, int] = {}
        self._styles: dict[int, str] = {}
        self._token = re.compile(rf'<!--{self.key}(\d+)z-->|{self.key}(\d+)(?:z|y(?:="")?)')

    # -- taking the tags out ------------------------------------------------------------------------------------------

    def protect(self, source: str) -> str:
        """The HTML with tokens for its template tags."""
        marked = self._marked(source)
        out: list[str] = []
        position = 0
        for match in SPECIAL.finditer(marked):
            if match.start() < position:
                continue
            out.append(self._text(marked[position : match.start()]))
            position = match.end()
            out.append(self._special(match))
            raw = RAW_ELEMENTS.match(match[0])
            if raw:
                end = re.compile(rf"</{raw[1]}(?=[\s/>])", re.IGNORECASE).search(marked, position)
                stop = end.start() if end else len(marked)
                out.append(self._words(marked[position:stop]))
                position = stop
        out.append(self._text(marked[position:]))
        return "".join(out)

    def protect_text(self, source: str) -> str:
        """The HTML with a plain word for every template tag, for tools that make text of it."""
        return self._words(self._marked(source))

    def _marked(self, source: str) -> str:
        """The source with a mark for each template tag; comments of the template language are gone."""
        pieces = split_tags(source.replace("\ue000", "").replace("\ue001", ""))
        out: list[str] = []
        inside_comment = False
        for index, piece in enumerate(pieces):
            if index % 2 and piece.startswith("{%"):
                command = piece[2:-2].split()
                if inside_comment:
                    inside_comment = piece[2:-2].strip() != "endcomment"
                    continue
                if command[:1] == ["comment"]:
                    inside_comment = True
                    continue
            if inside_comment or (index % 2 and piece.startswith("{#")):
                continue
            out.append(self._remember(piece) if index % 2 else piece)
        return "".join(out)

    def _remember(self, original: str) -> str:
        # The same tag gets the same token, so that the end of <h{{ level }}> matches its start.
        number = self._numbers.setdefault(original, len(self.originals))
        if number == len(self.originals):
            self.originals.append(original)
        return f"\ue000{number}\ue001"

    def _text(self, marked: str) -> str:
        return self._mark.sub(rf"<!--{self.key}\1z-->", marked)

    def _words(self, marked: str) -> str:
        return self._mark.sub(rf"{self.key}\1z", marked)

    def _special(self, match: re.Match[str]) -> str:
        """A comment, a declaration or a tag."""
        whole = match[0]
        if SCANNED_TAG.fullmatch(whole):
            return self._tag(whole)
        if whole.startswith("<![") and self.trusted:
            # Outlook's <![if …]>: a parser would turn it into a comment of another kind.
            return self._text(self._put_aside(whole))
        return self._words(whole)

    def _put_aside(self, marked: str) -> str:
        return self._remember(self._mark.sub(lambda mark: self.originals[int(mark[1])], marked))

    def _is_block(self, marked: str) -> bool:
        return any(self.originals[int(mark[1])].startswith("{%") for mark in self._mark.finditer(marked))

    # -- inside a tag -------------------------------------------------------------------------------------------------

    def _tag(self, marked: str) -> str:
        if re.match(r"<tbody[\s/>]", marked, re.IGNORECASE):
            marked = f"{marked[:6]} {self.written}{marked[6:]}"
        if "\ue000" not in marked and "style" not in marked.lower():
            return marked
        start = re.match(r"</?[^\s/>]*", marked)
        name = start[0] if start else marked
        for mark in self._mark.finditer(name):
            if self._is_block(mark[0]):
                # <td{% if … %}: the tag's name ends here
                name = name[: mark.start()]
                break
        units = [unit[0] for unit in ATTRIBUTE.finditer(marked[len(name) : -1])]
        conditional = [index for index, unit in enumerate(units) if self._is_conditional(unit)]
        if conditional:
            first, last = conditional[0], conditional[-1] + 1
            # Nobody knows before rendering which of these attributes there are; the sanitiser drops them.
            units[first:last] = [self._attribute_token("".join(units[first:last])) if self.trusted else " "]
        return self._words(name) + "".join(map(self._attribute, units)) + ">"

    def _is_conditional(self, unit: str) -> bool:
        """Whether a block tag stands outside of a quoted value, so that it may decide about whole attributes."""
        name, _, value = unit.partition("=")
        return self._is_block(name) or (value.strip()[:1] not in ('"', "'") and self._is_block(value))

    def _attribute_token(self, marked: str) -> str:
        number = self._mark.fullmatch(self._put_aside(marked))
        return f" {self.key}{number[1]}y " if number else ""

    def _attribute(self, unit: str) -> str:
        name, equals, value = unit.partition("=")
        if name.strip().lower() == "style":
            return self._style(unit, value.strip())
        if "\ue000" in name and not equals:
            return self._mark.sub(rf" {self.key}\1y ", unit)
        return self._words(unit)

    def _style(self, unit: str, value: str) -> str:
        if value[:1] in ('"', "'"):
            value = value[1:-1]
        words = self._words(value)
        properties = [chunk.partition(":")[0] for chunk in words.split(";")]
        usual = _DECLARATIONS(words) and not any(self.key in name for name in properties)
        if usual and not self._is_block(value):
            return self._words(unit)
        self.originals.append("")
        number = len(self.originals) - 1
        self._styles[number] = words.replace('"', "&quot;")
        return f" {self.key}{number}s "

    # -- putting them back --------------------------------------------------------------------------------------------

    def merge_styles(self, protected: str) -> str:
        """Put the style attributes back that were put aside, behind the declarations that were inlined meanwhile."""
        if not self._styles:
            return protected
        token = re.compile(rf'\s*{self.key}(\d+)s(?:="")?')
        return SCANNED_TAG.sub(lambda tag: self._with_style(tag[0], token), protected)

    def _with_style(self, tag: str, token: re.Pattern[str]) -> str:
        found = token.search(tag)
        if not found:
            return tag
        tag = tag[: found.start()] + tag[found.end() :]
        own = self._styles[int(found[1])]
        inlined = re.search(r'\sstyle="([^"]*)"', tag)
        if inlined:
            both = f"{inlined[1].rstrip('; ')};{own}"
            return f'{tag[: inlined.start()]} style="{both}"{tag[inlined.end() :]}'
        end = -2 if tag.endswith("/>") else -1
        return f'{tag[:end].rstrip()} style="{own}"{tag[end:]}'

    def without_implied(self, protected: str) -> str:
        """
        The HTML without the <tbody> that HTML parsers add: one that no author wrote may start inside ``{% for %}`` and
        end outside of it. Takes the marks off those that were written.
        """
        written: list[bool] = []

        def kept(tag: re.Match[str]) -> str:
            if tag[0].startswith("<!"):
                return tag[0]
            if tag[0].startswith("</"):
                return tag[0] if not written or written.pop() else ""
            written.append(self.written in tag[0])
            return re.sub(rf'\s*{self.written}(?:="")?', "", tag[0]) if written[-1] else ""

        return _TBODY_OR_COMMENT.sub(kept, protected)

    def restore(self, protected: str) -> str:
        """The HTML with its template tags instead of their tokens."""
        return self._token.sub(lambda token: self.originals[int(token[1] or token[2])], protected)

    def tags_in(self, protected: str) -> list[str]:
        """The template tags whose tokens the HTML holds, in their order."""
        return [self.originals[int(token[1] or token[2])] for token in self._token.finditer(protected)]

    def replace(self, token: re.Match[str], original: str) -> str:
        """A new token for another template tag in the place of this one."""
        self.originals.append(original)
        return f"{self.key}{len(self.originals) - 1}z"

    @property
    def token(self) -> re.Pattern[str]:
        """Matches any token; group 1 or 2 is its number."""
        return self._token
