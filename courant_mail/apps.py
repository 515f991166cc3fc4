"""The Django application."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class CourantMailConfig(AppConfig):
    name = "courant_mail"
    verbose_name = _("Mass mail")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks  # noqa: F401

        # Every installed app may register recipient sources in a module of this name.
        autodiscover_modules("mail_sources")
