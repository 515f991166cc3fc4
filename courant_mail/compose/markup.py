"""Regular expressions for the pieces of HTML, linear in time: no alternative can be tried twice at the same place."""

from __future__ import annotations

import re

_ATTRIBUTE = r"""[\s/]++|[^\s/>=]++(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s"'>][^\s>]*+)?+)?+|="""
_TAG = rf"</?[a-zA-Z\ue000][^\s/>]*+(?:{_ATTRIBUTE})*+>"

#: one attribute of a tag with its value, or the space between two
ATTRIBUTE = re.compile(_ATTRIBUTE)
#: a start or end tag; a private-use character in place of its name stands for a template tag
SCANNED_TAG = re.compile(_TAG)
#: whatever is not the text between elements
SPECIAL = re.compile(rf"<!--.*?(?:--!?>|\Z)|<![^>]*+>|{_TAG}", re.DOTALL)
#: the start tag of an element in which there are no elements
RAW_ELEMENTS = re.compile(r"<(script|style|title|textarea|xmp|iframe|noembed|noframes)(?=[\s/>])", re.IGNORECASE)
#: a whole document rather than a piece of one
DOCUMENT = re.compile(r"<(?:!doctype|html|head|body)(?=[\s/>])", re.IGNORECASE)
