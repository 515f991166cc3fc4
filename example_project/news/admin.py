"""The editor's pages. Everything that is about mass mail is in the two small classes at the top."""

from __future__ import annotations

from django.contrib import admin

from courant_mail.admin import ObjectMail, ObjectMailAdminMixin

from .models import Article, Issue, Subscriber

admin.site.site_header = "The Courant"
admin.site.site_title = "The Courant"
admin.site.index_title = "The editors' desk"


class IssueMail(ObjectMail):
    subject = "The Courant No. {{ object.number }}: {{ object.title }}"
    text_template = "news/mail/issue.txt"
    html_template = "news/mail/issue.html"
    source = "news.subscribers"
    merge_defaults = {"first_name": "reader"}


class ArticleMail(ObjectMail):
    subject = "{{ object.title }}"
    text_template = "news/mail/article.txt"
    html_template = "news/mail/article.html"
    source = "news.subscribers"
    merge_defaults = {"first_name": "reader"}


class ArticleInline(admin.StackedInline):
    model = Article
    extra = 0
    show_change_link = True
    fields = ["position", "section", "title", "slug", "author", "lead", "body"]


@admin.register(Issue)
class IssueAdmin(ObjectMailAdminMixin, admin.ModelAdmin):
    object_mail = IssueMail
    list_display = ["number", "title", "published_on"]
    list_display_links = ["number", "title"]
    inlines = [ArticleInline]


@admin.register(Article)
class ArticleAdmin(ObjectMailAdminMixin, admin.ModelAdmin):
    object_mail = ArticleMail
    list_display = ["title", "author", "section", "issue"]
    list_filter = ["section", "issue"]
    list_select_related = ["issue"]
    search_fields = ["title", "author", "body"]
    prepopulated_fields = {"slug": ["title"]}


@admin.register(Subscriber)
class SubscriberAdmin(admin.ModelAdmin):
    list_display = ["email", "first_name", "last_name", "language", "active"]
    list_filter = ["active", "language"]
    search_fields = ["email", "first_name", "last_name"]
