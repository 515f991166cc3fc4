"""The pages of the example newspaper."""

from __future__ import annotations

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    path("", include("news.urls")),
    # Password reset and friends: django.contrib.auth's own views, whose mail goes through the queue.
    path("accounts/", include("django.contrib.auth.urls")),
    # The public pages of courant_mail: unsubscribing.
    path("mail/", include("courant_mail.urls")),
    # What the local SMTP server has received; answers only while DEBUG is on.
    path("inbox/", include("inbox.urls")),
    path("admin/", admin.site.urls),
    # Browsers ask for it on every page that names none, as those of the admin.
    path("favicon.ico", RedirectView.as_view(url=static("news/icon.svg"))),
]
