"""What a newspaper is made of: issues with their articles, and the people who want to hear of them."""

from __future__ import annotations

from django.db import models
from django.urls import reverse


class Issue(models.Model):
    """One edition of the newspaper."""

    number = models.PositiveIntegerField(unique=True)
    title = models.CharField(max_length=200)
    published_on = models.DateField()
    intro = models.TextField("from the editors", blank=True)
    colour = models.CharField(max_length=7, default="#8a1c2b", help_text="Of the cover, such as #8a1c2b.")

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"No. {self.number}: {self.title}"

    def get_absolute_url(self) -> str:
        return reverse("issue", args=[self.number])


class Article(models.Model):
    """One article of an issue."""

    issue = models.ForeignKey(Issue, on_delete=models.CASCADE, related_name="articles")
    slug = models.SlugField(max_length=100, unique=True)
    section = models.CharField(max_length=50)
    title = models.CharField(max_length=200)
    author = models.CharField(max_length=100)
    lead = models.TextField(help_text="One or two sentences, also shown in mails.")
    body = models.TextField(help_text="Paragraphs with an empty line between them.")
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-issue__number", "position"]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("article", args=[self.slug])


class Subscriber(models.Model):
    """
    Somebody who asked for the newspaper by mail.

    The address is neither unique nor checked: real lists are typed from paper forms and merged from old
    spreadsheets. Sorting out duplicates and impossible addresses is the queue's work.
    """

    email = models.CharField(max_length=254)
    first_name = models.CharField(max_length=100, blank=True)
    last_name = models.CharField(max_length=100, blank=True)
    language = models.CharField(max_length=10, default="en")
    active = models.BooleanField(default=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.email
