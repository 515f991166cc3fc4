"""Times and durations for the pages of the desk."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format, time_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def local(moment: datetime) -> datetime:
    """The moment in the current time zone; as it is where the site knows no zones."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment


def in_words(moment: datetime) -> str:
    """The date and the time in the current time zone, as the reader's language writes them."""
    return date_format(local(moment), "DATETIME_FORMAT")


def html(moment: datetime | None) -> SafeString:
    """The same for a page; where the browser is in another zone, `local_time.js` adds the time there."""
    if moment is None:
        return SafeString("")
    exact = local(moment).isoformat(timespec="seconds")
    return format_html('<time datetime="{}">{}</time>', exact, in_words(moment))


def clock(moment: datetime) -> SafeString:
    """The time of the day alone, for what lies within hours."""
    exact = local(moment).isoformat(timespec="seconds")
    return format_html('<time datetime="{}">{}</time>', exact, time_format(local(moment), "TIME_FORMAT"))


def zone() -> str:
    """The name of the current time zone."""
    return timezone.get_current_timezone_name()


def duration(span: timedelta) -> str:
    """About how long: seconds, minutes, hours or days, never two of them."""
    minutes = span / timedelta(minutes=1)
    if minutes < 1:
        return _("less than a minute")
    if minutes < 90:
        count = round(minutes)
        return ngettext("%(count)d minute", "%(count)d minutes", count) % {"count": count}
    if minutes < 36 * 60:
        count = round(minutes / 60)
        return ngettext("%(count)d hour", "%(count)d hours", count) % {"count": count}
    count = round(minutes / (24 * 60))
    return ngettext("%(count)d day", "%(count)d days", count) % {"count": count}
