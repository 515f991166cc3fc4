"""Fill the newspaper with an editor, issues, articles and subscribers; running it again changes nothing."""

from __future__ import annotations

import tomllib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management.base import BaseCommand
from django.db import transaction

from courant_mail.queue.suppress import suppress
from news.models import Article, Issue, Subscriber
from news.sample.people import UNSUBSCRIBED, people

EDITOR = "editor"
PASSWORD = "courant"
EDITOR_EMAIL = "editor@courant.example"
ISSUES = Path(__file__).resolve().parents[2] / "sample" / "issues.toml"


class Command(BaseCommand):
    help = "Fill the newspaper with an editor, issues, articles and subscribers; running it again changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--subscribers", type=int, default=400, help="How many active subscribers (default: 400).")

    def handle(self, *args: Any, subscribers: int, verbosity: int, **options: Any) -> None:
        with transaction.atomic():
            create_editor()
            create_issues()
            create_subscribers(subscribers)
        for _, address in UNSUBSCRIBED:
            suppress(address, reason="Has unsubscribed on paper.", source="load_sample_data")
        if verbosity:
            self.stdout.write(
                f"{Issue.objects.count()} issues, {Article.objects.count()} articles, "
                f"{Subscriber.objects.filter(active=True).count()} active subscribers."
            )


def create_editor() -> None:
    """A member of staff who may edit the newspaper and send its mail, and nothing else."""
    user, is_new = get_user_model().objects.get_or_create(
        username=EDITOR, defaults={"email": EDITOR_EMAIL, "first_name": "Ngozi", "is_staff": True}
    )
    if is_new:
        user.set_password(PASSWORD)
        user.save()
        user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=["news", "courant_mail"]))


def create_issues() -> None:
    """The issues of `sample/issues.toml` with their articles; what an editor has changed meanwhile stays."""
    for entry in tomllib.loads(ISSUES.read_text(encoding="utf-8"))["issues"]:
        articles = entry.pop("articles")
        issue, _ = Issue.objects.get_or_create(number=entry.pop("number"), defaults=entry)
        for position, article in enumerate(articles, start=1):
            Article.objects.get_or_create(
                slug=article.pop("slug"), defaults=article | {"issue": issue, "position": position}
            )


def create_subscribers(count: int) -> None:
    """Those of the first `count` sample people who are not there yet."""
    known = set(Subscriber.objects.values_list("email", flat=True))
    new = (person for person in people(count) if person.email not in known)
    Subscriber.objects.bulk_create([Subscriber(**person._asdict()) for person in new], batch_size=1000)
