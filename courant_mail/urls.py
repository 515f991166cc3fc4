"""
The public pages. Include them under any prefix::

    path("mail/", include("courant_mail.urls"))
"""

from __future__ import annotations

from django.urls import path

from . import views

app_name = "courant_mail"

urlpatterns = [
    path("unsubscribe/<str:token>/", views.unsubscribe, name="unsubscribe"),
]
