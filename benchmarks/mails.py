"""The mail that everybody sends: the same words, the same size, the same two values of each reader."""

from __future__ import annotations

FROM = "The Courant <editors@courant.example>"
SUBJECT = "News for {{ first_name }}"
TEXT = "Hello {{ first_name }} {{ last_name }},\n\nread the news on https://www.courant.example/.\n"

_ROW = (
    '<tr><td style="padding:4px 12px;border-bottom:1px solid #ddd;font-family:Georgia,serif">'
    '<a href="https://www.courant.example/articles/{0}/?from=mail" style="color:#145a8d;text-decoration:none">'
    "Story number {0}</a></td></tr>\n"
)


def html(kilobytes: int) -> str:
    """HTML of about this size in 1,000 bytes, with two merge values."""
    rows = "".join(_ROW.format(number) for number in range(kilobytes * 1000 // len(_ROW)))
    return (
        f"<!DOCTYPE html><html><body><table>{rows}</table>"
        "<p>Hello {{ first_name }} {{ last_name }}</p></body></html>"
    )


#: what makes addresses come in no order, as they do in a real list: factor and modulus
SCATTER = (611_953, 999_983)
#: how the addresses of readers begin
READER = "r"


def reader(number: int) -> dict[str, str]:
    """The recipient of this number, from 1."""
    factor, modulus = SCATTER
    address = f"{READER}{number * factor % modulus}.{number}@example.org"
    return {"email": address, "first_name": f"First{number}", "last_name": "Last"}


def merged(words: str, values: dict[str, str]) -> str:
    """The words for one reader, for those who do not merge themselves."""
    for key, value in values.items():
        words = words.replace(f"{{{{ {key} }}}}", value)
    return words
