"""The public pages of the newspaper: the front page, an issue, an article."""

from __future__ import annotations

import re

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


def colours(request: HttpRequest) -> HttpResponse:
    """The colours of the covers as a style sheet, since the site's policy allows no styles inside a page."""
    rules = [
        f".issue-{number} {{ --colour: {colour}; }}"
        for number, colour in Issue.objects.values_list("number", "colour")
        if re.fullmatch(r"#[0-9a-fA-F]{6}", colour)
    ]
    return HttpResponse("\n".join(rules), content_type="text/css; charset=utf-8")


def article(request: HttpRequest, slug: str) -> HttpResponse:
    """One article."""
    found = get_object_or_404(Article.objects.select_related("issue"), slug=slug)
    return render(request, "news/article.html", {"article": found})
