"""The newspaper's own Django app."""

from __future__ import annotations

from django.apps import AppConfig


class NewsConfig(AppConfig):
    name = "news"
    verbose_name = "Newspaper"
