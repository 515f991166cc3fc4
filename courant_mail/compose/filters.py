"""
The filters of mail templates: those of Django that neither blow up in size nor say "this is safe HTML", and a few
that had to be made anew because merge values are plain JSON and must stay small.
"""

from __future__ import annotations

import datetime
import math
import re
from typing import Any

from django.template import TemplateSyntaxError, defaultfilters
from django.utils.dateparse import parse_date, parse_datetime, parse_time
from django.utils.timezone import is_aware, localtime

#: characters of a single merge value, after its filters
MAX_VALUE = 1_000_000

_FROM_DJANGO = (
    "capfirst",
    "cut",
    "default",
    "default_if_none",
    "divisibleby",
    "escape",
    "filesizeformat",
    "first",
    "force_escape",
    "get_digit",
    "iriencode",
    "last",
    "length",
    "linebreaks",
    "linebreaksbr",
    "lower",
    "pluralize",
    "slice",
    "slugify",
    "title",
    "truncatechars",
    "truncatewords",
    "upper",
    "urlencode",
    "wordcount",
    "yesno",
)


def add(value: Any, other: Any) -> Any:
    """The sum of two numbers, or two texts joined; anything else is empty."""
    try:
        return int(value) + int(other)
    except (TypeError, ValueError):
        return value + other if isinstance(value, str) and isinstance(other, str) else ""


def join(value: Any, separator: Any) -> Any:
    """The items of a list with the separator between them."""
    if not isinstance(value, (list, tuple)):
        return value
    texts = [str(item) for item in value]
    if sum(map(len, texts)) + len(texts) * len(str(separator)) > MAX_VALUE:
        raise TemplateSyntaxError("The joined list is too long.")
    # Not SafeString.join: what the list holds is not safe HTML because the separator is.
    return str.join(str(separator) + "", texts)


def date(value: Any, pattern: Any = None) -> str:
    """A date or time, also one written as text in ISO 8601 (as JSON keeps it), in Django's format of that name."""
    moment = _moment(value)
    return defaultfilters.date(moment, _short(pattern)) if moment is not None else ""


def time(value: Any, pattern: Any = None) -> str:
    """The time of a date or time, also one written as text in ISO 8601, in Django's format of that name."""
    moment = _moment(value)
    return defaultfilters.time(moment, _short(pattern)) if moment is not None else ""


def _moment(value: Any) -> Any:
    """The date, time or both that the value is or says; None where it is neither."""
    if isinstance(value, str):
        try:
            value = parse_datetime(value) or parse_date(value) or parse_time(value)
        except ValueError:
            return None
    if isinstance(value, datetime.datetime):
        return localtime(value) if is_aware(value) else value
    return value if isinstance(value, (datetime.date, datetime.time)) else None


def _short(pattern: Any) -> Any:
    if pattern is not None and len(str(pattern)) > 100:
        raise TemplateSyntaxError("The format of a date must not be longer than 100 characters.")
    return pattern


def floatformat(value: Any, places: Any = -1) -> str:
    """Django's `floatformat` for numbers below 10³⁰ and at most 20 places."""
    wanted = re.match(r"-?\d+", str(places))
    if wanted and abs(int(wanted[0][:9])) > 20:
        raise TemplateSyntaxError("floatformat shows at most 20 places.")
    try:
        number = float(value)
    except (TypeError, ValueError):
        return ""
    if not math.isfinite(number) or abs(number) >= 1e30 or len(str(value)) > 100:
        return ""
    return defaultfilters.floatformat(value, places)


def web_link(value: Any) -> Any:
    """The value where it is a relative link or one that mail may carry (http, https, mailto, tel), else nothing."""
    scheme = re.match(r"[\s\x00-\x20]*([^/?#]*?):", str(value))
    return value if scheme is None or scheme[1].lower() in ("http", "https", "mailto", "tel", "cid") else ""


ALLOWED_FILTERS: dict[str, Any] = {name: defaultfilters.register.filters[name] for name in _FROM_DJANGO} | {
    "add": add,
    "date": date,
    "floatformat": floatformat,
    "join": join,
    "time": time,
    "web_link": web_link,
}
