"""Numbers of people, in words."""

from __future__ import annotations

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def number(count: int) -> str:
    """The number with the separators of the reader's language."""
    return number_format(count, use_l10n=True, force_grouping=True)


def people(count: int) -> str:
    """Exactly so many."""
    return ngettext("%(count)s person", "%(count)s people", count) % {"count": number(count)}


def about(count: int | None) -> str:
    """About so many; None where nobody knows."""
    if count is None:
        return _("an unknown number of people")
    return ngettext("about %(count)s person", "about %(count)s people", count) % {"count": number(count)}


def more_than(count: int) -> str:
    """So many, and nobody has counted further."""
    return ngettext("more than %(count)s person", "more than %(count)s people", count) % {"count": number(count)}
