"""The public pages of the newspaper: the front page, an issue, an article."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from .models import Article, Issue


def front(request: HttpRequest) -> HttpResponse:
    """The newest issue large, the others below it."""
    issues = list(Issue.objects.prefetch_related("articles"))
    return render(request, "news/front.html", {"latest": issues[0] if issues else None, "others": issues[1:]})


def issue(request: HttpRequest, number: int) -> HttpResponse:
    """One issue with the leads of its articles."""
    found = get_object_or_404(Issue.objects.prefetch_related("articles"), number=number)
    return render(request, "news/issue.html", {"issue": found})


def article(request: HttpRequest, slug: str) -> HttpResponse:
    """One article."""
    found = get_object_or_404(Article.objects.select_related("issue"), slug=slug)
    return render(request, "news/article.html", {"article": found})
