"""
Recipient sources: named functions that yield the recipients of a job when it is expanded.

::

    from courant_mail import sources

    @sources.register("news.subscribers")
    def subscribers(issue: int):
        return Subscriber.objects.filter(active=True).values("email", "first_name")

Put them into a module `mail_sources.py` of an installed app: it is found at start-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .exceptions import UnknownSource

#: What a source yields and `queue_job` takes: an address, a pair (name, address), or a mapping with "email",
#: perhaps "name", and merge values. A queryset of such (`values`, `values_list`) is expanded page by page.
RecipientLike: TypeAlias = "str | tuple[str, str] | Mapping[str, Any]"
SourceFunction: TypeAlias = Callable[..., Iterable[RecipientLike]]


@dataclass(frozen=True)
class Source:
    """A registered source: its function, and how to count its recipients without fetching them."""

    name: str
    recipients: SourceFunction
    count: Callable[..., int] | None = None


_registry: dict[str, Source] = {}


def register(name: str, *, count: Callable[..., int] | None = None) -> Callable[[SourceFunction], SourceFunction]:
    """
    Register the decorated function as the recipient source `name`.

    The function takes the job's `source_params` as keyword arguments and returns a queryset or any iterable of
    recipients. A queryset is read in pages by primary key, so that an interrupted expansion goes on where it
    stopped; any other iterable is read again from its start, and who is queued already is not queued twice.

    `count` takes the same arguments and returns how many recipients there will be, for the page before sending; a
    queryset is counted by itself.

    Raises ValueError when another function already has the name.
    """

    def decorate(function: SourceFunction) -> SourceFunction:
        known = _registry.get(name)
        if known and known.recipients.__qualname__ != function.__qualname__:
            raise ValueError(f"The recipient source {name!r} is registered already, by {known.recipients!r}.")
        _registry[name] = Source(name, function, count)
        return function

    return decorate


def get(name: str) -> Source:
    """The source of this name. Raises UnknownSource, naming those that are registered."""
    try:
        return _registry[name]
    except KeyError:
        known = ", ".join(sorted(_registry)) or "none"
        raise UnknownSource(
            f"No recipient source is named {name!r} (registered: {known}). "
            "Register it in a module mail_sources.py of an installed app."
        ) from None


def names() -> list[str]:
    """The names of all registered sources, sorted."""
    return sorted(_registry)


def estimate(name: str, params: Mapping[str, Any]) -> int | None:
    """How many recipients the source would yield now; None where only reading them all could tell."""
    source = get(name)
    if source.count is not None:
        return source.count(**params)
    found = source.recipients(**params)
    count = getattr(found, "count", None)
    if hasattr(found, "query") and callable(count):
        return int(count())
    return len(found) if isinstance(found, (list, tuple)) else None
