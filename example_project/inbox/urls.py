"""The pages of the inbox."""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "inbox"
urlpatterns = [
    path("", views.listing, name="list"),
    path("<int:position>/", views.letter, name="letter"),
    path("<int:position>/html/", views.html, name="html"),
    path("<int:position>/source/", views.source, name="source"),
]
