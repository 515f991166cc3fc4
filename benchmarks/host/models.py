"""Who gets the mail."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Reader(models.Model):
    """A subscriber, with the two values that are merged into each mail."""

    email = models.CharField(max_length=254)
    first_name = models.CharField(max_length=100)
    last_name = models.CharField(max_length=100)

    objects: ClassVar[models.Manager[Reader]] = models.Manager()

    class Meta:
        app_label = "host"
        db_table = "bench_reader"

    def __str__(self) -> str:
        return self.email
