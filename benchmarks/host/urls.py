"""The pages of the measured site: the admin, and where courant_mail is installed its public pages."""

from __future__ import annotations

from django.apps import apps
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [path("admin/", admin.site.urls)]
if apps.is_installed("courant_mail"):
    urlpatterns.append(path("mail/", include("courant_mail.urls")))
