"""The pieces of HTML, found in linear time: no alternative of an expression is tried twice at the same place."""

from __future__ import annotations

import html
import re

_ATTRIBUTE = r"""[\s/]++|[^\s/>=]++(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'>][^\s>]*+)?+)?+|="""
_UNTIL_ITS_END = rf"</?[a-zA-Z\ue000][^\s/>]*+(?:{_ATTRIBUTE})*+"
_TAG = rf"{_UNTIL_ITS_END}>"

#: one attribute of a tag with its value, or the space between two
ATTRIBUTE = re.compile(_ATTRIBUTE)
#: a start or end tag; a private-use character in place of its name stands for a template tag
SCANNED_TAG = re.compile(_TAG)
#: Whatever is not the text between elements. As in a browser, what is never closed swallows all that follows it: so
#: nothing is read twice.
SPECIAL = re.compile(rf"<!--.*?(?:--!?>|\Z)|<![^>]*+(?:>|\Z)|{_UNTIL_ITS_END}(?:>|\Z)", re.DOTALL)
#: the start tag of an element in which there are no elements
RAW_ELEMENTS = re.compile(r"<(script|style|title|textarea|xmp|iframe|noembed|noframes)(?=[\s/>])", re.IGNORECASE)
#: a whole document rather than a piece of one
DOCUMENT = re.compile(r"<(?:!doctype|html|head|body)(?=[\s/>])", re.IGNORECASE)

#: more digits than any character has; Python would refuse to read thousands of them
_NO_CHARACTER = re.compile(r"&#0*[0-9]{8,};?")


def resolved(text: str) -> str:
    """The text with its entities resolved; a number that is no character at all is left out."""
    return html.unescape(_NO_CHARACTER.sub("", text)) if "&" in text else text
