"""HTML typed by people: what an e-mail needs is kept, everything else goes."""

from __future__ import annotations

import re

import nh3

from ..exceptions import InvalidMail
from .markup import SCANNED_TAG
from .placeholders import Placeholders
from .tags import split_tags


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_TAGS = frozenset(nh3.ALLOWED_TAGS) | _set(
    "big caption center col colgroup dl dt dd figure figcaption font footer header img main nav section span "
    "table tbody td tfoot th thead tr u"
)
_DROPPED_WITH_CONTENT = frozenset({"script", "style", "title", "head", "noscript"})
_EVERYWHERE = _set(
    "align aria-hidden aria-label background bgcolor border class color dir height id lang role style title valign "
    "width"
)
_ATTRIBUTES = {
    "*": _EVERYWHERE,
    "a": frozenset({"href", "name", "target"}),
    "font": frozenset({"face", "size"}),
    "img": frozenset({"alt", "src", "hspace", "vspace"}),
    "ol": frozenset({"start", "type", "reversed"}),
    "ul": frozenset({"type"}),
    "li": frozenset({"value", "type"}),
    "table": frozenset({"cellpadding", "cellspacing", "summary", "rules", "frame"}),
    "td": frozenset({"abbr", "colspan", "headers", "nowrap", "rowspan"}),
    "th": frozenset({"abbr", "colspan", "headers", "nowrap", "rowspan", "scope"}),
    "col": frozenset({"span"}),
    "colgroup": frozenset({"span"}),
    "blockquote": frozenset({"cite"}),
    "q": frozenset({"cite"}),
}
_LINKS = frozenset({"href", "src", "background", "cite"})
_SCHEMES = frozenset({"http", "https", "mailto", "tel", "cid", "data"})
_PICTURE = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=\s]*", re.IGNORECASE)

_SIDES = ("top", "right", "bottom", "left")
_STYLES = _set(
    "background background-color background-image background-position background-repeat background-size border "
    "border-collapse border-color border-radius border-spacing border-style border-width box-shadow box-sizing "
    "caption-side clear color direction display empty-cells float font font-family font-size font-style font-variant "
    "font-weight height hyphens letter-spacing line-height list-style list-style-position list-style-type margin "
    "max-height max-width min-height min-width mso-hide mso-line-height-rule mso-padding-alt mso-table-lspace "
    "mso-table-rspace object-fit opacity overflow overflow-wrap padding table-layout text-align text-decoration "
    "text-decoration-color text-decoration-line text-indent text-shadow text-transform unicode-bidi vertical-align "
    "visibility white-space width word-break word-spacing word-wrap -ms-text-size-adjust -webkit-text-size-adjust "
    "-webkit-font-smoothing"
) | frozenset(
    name
    for side in _SIDES
    for name in (
        f"margin-{side}",
        f"padding-{side}",
        f"border-{side}",
        f"border-{side}-color",
        f"border-{side}-style",
        f"border-{side}-width",
    )
)


def sanitize(protected: str, placeholders: Placeholders) -> str:
    """
    Sanitised HTML, its template tags put back.

    Tables, inline styles, images and links stay; scripts, forms, comments (conditional ones too), style sheets and
    every attribute that could act go. A template tag may stand in a link only where its value cannot change what
    kind of link it is. Raises InvalidMail when a template would come out different from what was sanitised.
    """
    clean = nh3.Cleaner(
        tags=set(_TAGS),
        clean_content_tags=set(_DROPPED_WITH_CONTENT),
        attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()} | {"tbody": {placeholders.written}},
        attribute_filter=lambda _tag, name, value: _attribute(name, value, placeholders),
        strip_comments=False,
        link_rel=None,
        url_schemes=set(_SCHEMES),
        filter_style_properties=set(_STYLES),
    ).clean(protected)
    clean = placeholders.without_implied(_without_comments(clean, placeholders))
    # A brace that the sanitiser has moved next to another must not become the start of a template tag.
    clean = clean.replace("{", "&#123;")
    restored = placeholders.restore(clean)
    if split_tags(restored)[1::2] != placeholders.tags_in(clean):
        raise InvalidMail("html: the template tags do not survive sanitising; put each into a place of its own.")
    return restored


_SERIALISED = re.compile(rf"<!--.*?-->|{SCANNED_TAG.pattern}|<", re.DOTALL)


def _without_comments(clean: str, placeholders: Placeholders) -> str:
    """Sanitised HTML without the comments that are no tokens; read tag by tag, for an attribute may look like one."""

    def keep(piece: re.Match[str]) -> str:
        if piece[0] == "<":
            return "&lt;"
        if piece[0].startswith("<!--") and not placeholders.token.fullmatch(piece[0]):
            return ""
        return piece[0]

    return _SERIALISED.sub(keep, clean)


def _attribute(name: str, value: str, placeholders: Placeholders) -> str | None:
    """What becomes of an attribute's value; None drops the attribute."""
    if name not in _LINKS:
        return value
    value = value.strip()
    if value.lower().startswith("data:"):
        return value if name == "src" and _PICTURE.fullmatch(value) else None
    token = placeholders.token.search(value)
    if token is None or re.match(r"(?:https?://|mailto:|tel:|cid:|[/?#])", value, re.IGNORECASE):
        return value
    original = placeholders.originals[int(token[1] or token[2])]
    rest = value[token.end() :]
    if token.start() > 0 or not original.startswith("{{") or rest[:1] not in ("", "/", "?", "#"):
        return None
    return placeholders.replace(token, f"{original[:-2].rstrip()}|web_link }}}}") + rest
