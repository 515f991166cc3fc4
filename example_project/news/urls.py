"""The public pages of the newspaper."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("", views.front, name="front"),
    path("issues/colours.css", views.colours, name="colours"),
    path("issues/<int:number>/", views.issue, name="issue"),
    path("articles/<slug:slug>/", views.article, name="article"),
]
