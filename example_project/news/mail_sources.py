"""Who gets the newspaper's mail. courant_mail finds this module by its name."""

from __future__ import annotations

from collections.abc import Iterable

from courant_mail import sources

from .models import Subscriber


@sources.register("news.subscribers")
def subscribers(language: str = "") -> Iterable[sources.RecipientLike]:
    """Every active subscriber, or those of one language; their first name is there for the greeting."""
    found = Subscriber.objects.filter(active=True)
    if language:
        found = found.filter(language=language)
    return found.values("email", "first_name")
