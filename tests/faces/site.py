"""A small site whose editors mail about groups: admin, templates and recipients for the tests of the admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import override_settings
from django.urls import include, path

from courant_mail import sources
from courant_mail.admin import MessageJobAdmin, ObjectMail, ObjectMailAdminMixin
from courant_mail.compose.letter import AttachedFile
from courant_mail.models import MessageJob

TEMPLATES = {
    "news/mail.txt": "Hello {{ recipient.first_name }}, news of {{ object.name }} at {{ site_url }}. {{ motto }}\n",
    "news/mail.html": (
        "<html><head><style>h1 { color: #abcdef }</style></head><body><h1>{{ object.name }}</h1>"
        "<p>Hello {{ recipient.first_name }}</p>"
        '<a href="{{ recipient.unsubscribe_url }}">Unsubscribe</a></body></html>'
    ),
    "news/image.html": '<p>x</p><img src="cid:dot">',
    "news/broken.txt": "{% if %}",
    "news/curious.txt": "{% if recipient.first_name %}Hello{% endif %}",
    "news/subject.txt": "About\n  {{ object.name }}\n",
}


@sources.register("tests.users")
def users(group: int) -> Any:
    """The active users, whatever the group."""
    return User.objects.filter(is_active=True).exclude(email="").values("email", "first_name")


class GroupMail(ObjectMail):
    subject = "News: {{ object.name }}"
    text_template = "news/mail.txt"
    html_template = "news/mail.html"
    source = "tests.users"
    merge_defaults = {"first_name": "reader"}
    example = {"email": "example@example.org", "first_name": "Exa"}

    def get_source_params(self) -> dict[str, Any]:
        return {"group": self.object.pk}

    def get_context(self) -> dict[str, Any]:
        return {"motto": "Tom & Jerry's {{ first_name }}"}


class ImageMail(GroupMail):
    text_template = ""
    html_template = "news/image.html"

    def get_attachments(self):
        return [AttachedFile("dot.png", "image/png", b"\x89PNG", content_id="dot")]


class GroupAdmin(ObjectMailAdminMixin, admin.ModelAdmin):
    object_mail = GroupMail
    actions = ["shout"]

    @admin.action(description="Shout")
    def shout(self, request, queryset):
        """An action of the site's own."""


site = admin.AdminSite(name="newsroom")
site.register(Group, GroupAdmin)
site.register(MessageJob, MessageJobAdmin)

urlpatterns = [
    path("newsroom/", site.urls),
    path("admin/", admin.site.urls),
    path("mail/", include("courant_mail.urls")),
]


def with_site(**settings: Any) -> Any:
    """The settings of this site."""
    from django.conf import settings as current

    engine: dict[str, Any] = current.TEMPLATES[0]
    options = {key: value for key, value in engine["OPTIONS"].items() if key != "loaders"}
    loaders = [
        ("django.template.loaders.locmem.Loader", TEMPLATES),
        "django.template.loaders.app_directories.Loader",
    ]
    templates = [{**engine, "APP_DIRS": False, "OPTIONS": {**options, "loaders": loaders}}]
    return override_settings(ROOT_URLCONF=__name__, TEMPLATES=templates, ALLOWED_HOSTS=["*"], **settings)
