"""A database router that keeps the mail away from the site's other data."""

from __future__ import annotations

from typing import Any

from django.db import models


class CourantMailRouter:
    """
    Puts every table of the app on one database of its own.

    ::

        DATABASES = {"default": {…}, "mail": {…}}
        DATABASE_ROUTERS = ["courant_mail.routers.CourantMailRouter"]

    and `manage.py migrate --database mail`. Subclass it to name another alias. No table of the app has a foreign key
    to a table outside, so nothing is lost; but a request that is rolled back takes its mail back only where both
    share a database.
    """

    #: the alias of the database, for this app alone
    database = "mail"
    app_label = "courant_mail"

    def db_for_read(self, model: type[models.Model], **hints: Any) -> str | None:
        return self.database if model._meta.app_label == self.app_label else None

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str | None:
        return self.database if model._meta.app_label == self.app_label else None

    def allow_relation(self, obj1: models.Model, obj2: models.Model, **hints: Any) -> bool | None:
        labels = {obj1._meta.app_label, obj2._meta.app_label}
        return True if labels == {self.app_label} else None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """The app's tables on its database and nowhere else, and no one else's there."""
        if app_label == self.app_label:
            return db == self.database
        return False if db == self.database and db != "default" else None
