"""Mail about the objects of a site: its templates, and the editor's way through confirmation to the queue."""

from __future__ import annotations

import re
from html import unescape

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from courant_mail.admin import ObjectMail
from courant_mail.api import Priority
from courant_mail.exceptions import InvalidMail, UnknownSource
from courant_mail.models import Message, MessageJob
from courant_mail.testing import drain

from .site import GroupAdmin, GroupMail, ImageMail, with_site

LIST = "newsroom:auth_group_changelist"


@with_site()
class WordsTests(TestCase):
    def setUp(self):
        self.group = Group.objects.create(name="Ann & <Bo>'s")

    def test_the_mail_says_for_each_recipient_what_the_templates_say(self):
        User.objects.create(username="a", email="a@example.org", first_name="Ann")
        User.objects.create(username="b", email="b@example.org")
        job = GroupMail(self.group).queue(created_by="editor")
        self.assertEqual((job.created_by, job.priority, job.source), ("editor", Priority.LOW, "tests.users"))
        ann, bo = sorted(drain(), key=lambda mail: mail.rcpt_to)
        self.assertEqual(ann.subject, "News: Ann & <Bo>'s")
        self.assertEqual(
            ann.text.strip(),
            "Hello Ann, news of Ann & <Bo>'s at https://www.courant.example. Tom & Jerry's {{ first_name }}",
        )
        self.assertIn("Hello reader, news", bo.text)
        self.assertIn("Ann &amp; &lt;Bo&gt;", ann.html)
        self.assertIn("<p>Hello Ann</p>", ann.html)
        self.assertIn("#abcdef", ann.html.partition("<h1")[2].partition(">")[0], "the style is on the element")
        self.assertIn(f'href="{ann.unsubscribe_url}"', unescape(ann.html))

    def test_a_subject_may_be_a_template_of_its_own_and_is_one_line(self):
        class Mail(GroupMail):
            subject_template = "news/subject.txt"

        self.assertEqual(Mail(self.group).preview().subject, "About Ann & <Bo>'s")

    def test_the_preview_is_the_mail_for_the_example(self):
        preview = GroupMail(self.group).preview()
        self.assertEqual(preview.subject, "News: Ann & <Bo>'s")
        self.assertIn("Hello Exa", preview.text)
        self.assertIn("<p>Hello Exa</p>", preview.html)
        self.assertIn("The Courant", preview.from_email)
        self.assertFalse(Message.objects.exists())

    def test_the_unsubscribe_link_of_a_preview_unsubscribes_nobody(self):
        [url] = re.findall(r'href="https://www.courant.example(/[^"]+)"', GroupMail(self.group).preview().html)
        self.assertEqual(self.client.post(url).status_code, 404)

    def test_the_language_is_the_site_s_and_not_the_editor_s(self):
        class Mail(GroupMail):
            subject = "{% load i18n %}{% translate 'Yes' %} {% get_current_language as l %}{{ l }}"

        with translation.override("de"):
            self.assertEqual(Mail(self.group).preview().subject, "Yes en-us")
            Mail.language = "fr"
            self.assertEqual(Mail(self.group).preview().subject, "Oui fr")

    def test_templates_that_cannot_be_rendered_are_named_with_the_reason(self):
        for name, reason in (
            ("news/broken.txt", "if"),
            ("news/missing.txt", "missing"),
            ("news/curious.txt", "first_name"),
        ):

            class Mail(GroupMail):
                text_template = name

            with self.subTest(name), self.assertRaisesMessage(InvalidMail, reason):
                Mail(self.group).words()

    def test_a_mail_without_a_source_is_refused(self):
        class Mail(ObjectMail):
            text_template = "news/mail.txt"

        with self.assertRaises(UnknownSource):
            Mail(self.group).estimate()

    def test_a_key_queues_once(self):
        mail = GroupMail(self.group)
        self.assertEqual(mail.queue(key="x").pk, mail.queue(key="x").pk)


@with_site()
class ActionTests(TestCase):
    groups: list[Group]

    @classmethod
    def setUpTestData(cls):
        cls.groups = [Group.objects.create(name=f"Group {n}") for n in range(3)]
        for n in range(2):
            User.objects.create(username=f"reader{n}", email=f"reader{n}@example.org", first_name=f"R{n}")

    def setUp(self):
        self.editor = self.sign_in("auth.view_group", "auth.change_group", "courant_mail.send_messagejob")

    def sign_in(self, *permissions):
        user = User.objects.create(username=f"editor{User.objects.count()}", is_staff=True)
        for name in permissions:
            app, codename = name.split(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
        self.client.force_login(user)
        return user

    def act(self, *groups, **data):
        selected = [group.pk for group in groups or self.groups[:1]]
        data = {"action": "send_object_mail", "_selected_action": selected, **data}
        return self.client.post(reverse(LIST), data)

    def key(self, page):
        return page.context["key"]

    def test_the_action_shows_what_would_be_sent_and_sends_nothing(self):
        page = self.act()
        self.assertContains(page, "News: Group 0")
        self.assertContains(page, "about 2 people")
        self.assertContains(page, "The Courant &lt;editors@courant.example&gt;")
        self.assertContains(page, "Hello Exa, news of Group 0")
        url = reverse("newsroom:auth_group_mail_preview", args=[self.groups[0].pk])
        self.assertContains(page, f'<iframe sandbox referrerpolicy="no-referrer" src="{url}"')
        self.assertFalse(MessageJob.objects.exists())

    def test_the_button_queues_the_mail(self):
        answer = self.act(key=self.key(self.act()))
        self.assertRedirects(answer, reverse(LIST), fetch_redirect_response=False)
        job = MessageJob.objects.get()
        self.assertEqual((job.subject, job.created_by), ("News: Group 0", self.editor.username))
        self.assertEqual({mail.rcpt_to for mail in drain()}, {"reader0@example.org", "reader1@example.org"})

    def test_queueing_in_the_admin_is_one_insert_whatever_the_number_of_recipients(self):
        User.objects.bulk_create(User(username=f"x{n}", email=f"x{n}@example.org") for n in range(500))
        key = self.key(self.act())
        with CaptureQueriesContext(connection) as queries:
            self.act(key=key)
        inserts = [
            q["sql"] for q in queries.captured_queries if q["sql"].startswith("INSERT") and "courant_mail" in q["sql"]
        ]
        self.assertEqual(len(inserts), 1)

    def test_pressing_twice_queues_once(self):
        key = self.key(self.act())
        self.act(key=key)
        self.act(key=key)
        self.assertEqual(MessageJob.objects.count(), 1)
        self.assertEqual(LogEntry.objects.filter(user=self.editor).count(), 1)

    def test_choosing_again_is_another_mail(self):
        for _ in range(2):
            self.act(key=self.key(self.act()))
        self.assertEqual(MessageJob.objects.count(), 2)

    def test_each_selected_object_is_a_job_of_its_own(self):
        page = self.act(*self.groups)
        self.assertEqual(len(page.context["candidates"]), 3)
        self.act(*self.groups, key=self.key(page))
        self.assertEqual(
            set(MessageJob.objects.values_list("subject", flat=True)), {f"News: Group {n}" for n in range(3)}
        )

    def test_a_link_shows_how_far_the_job_is_to_whoever_may_see_jobs(self):
        self.act(key=self.key(self.act()))
        answer = self.client.get(reverse(LIST))
        self.assertContains(answer, "is queued")
        self.assertNotContains(answer, "See how far it is")
        self.sign_in(
            "auth.view_group", "auth.change_group", "courant_mail.send_messagejob", "courant_mail.view_messagejob"
        )
        self.act(key=self.key(self.act()))
        url = reverse("newsroom:courant_mail_messagejob_change", args=[MessageJob.objects.latest("pk").pk])
        self.assertContains(self.client.get(reverse(LIST)), f'<a href="{url}">See how far it is</a>')
        self.assertEqual(self.client.get(url).status_code, 200)

    def test_without_the_permission_there_is_no_action_and_no_preview(self):
        self.sign_in("auth.view_group", "auth.change_group")
        self.assertNotContains(self.client.get(reverse(LIST)), "Send email update")
        self.act(key="0" * 32)
        self.assertFalse(MessageJob.objects.exists())
        url = reverse("newsroom:auth_group_mail_preview", args=[self.groups[0].pk])
        self.assertEqual(self.client.get(url).status_code, 403)

    def test_who_may_send_but_not_see_the_object_sees_no_preview(self):
        self.sign_in("courant_mail.send_messagejob")
        url = reverse("newsroom:auth_group_mail_preview", args=[self.groups[0].pk])
        self.assertEqual(self.client.get(url).status_code, 403)
        self.client.logout()
        self.assertRedirects(self.client.get(url), f"/newsroom/login/?next={url}", fetch_redirect_response=False)

    def test_a_get_sends_nothing(self):
        self.client.get(reverse(LIST), {"action": "send_object_mail", "key": "0" * 32, "_selected_action": "1"})
        self.assertFalse(MessageJob.objects.exists())

    def test_the_site_s_own_actions_stay(self):
        page = self.client.get(reverse(LIST))
        for label in ("Shout", "Send email update"):
            self.assertContains(page, label)
        self.assertNotContains(self.client.get(reverse(LIST) + "?_popup=1"), "Send email update")

    def test_the_preview_can_do_nothing_in_the_browser(self):
        answer = self.client.get(reverse("newsroom:auth_group_mail_preview", args=[self.groups[0].pk]))
        self.assertContains(answer, "Hello Exa")
        policy = answer["Content-Security-Policy"]
        self.assertTrue(policy.startswith("sandbox; default-src 'none';"))
        self.assertNotIn("script-src", policy)
        self.assertEqual(answer["X-Frame-Options"], "SAMEORIGIN")
        self.assertEqual(answer["Referrer-Policy"], "no-referrer")
        self.assertIn("no-store", answer["Cache-Control"])

    def test_a_preview_of_what_is_not_there_is_not_found(self):
        self.assertEqual(self.client.get(reverse("newsroom:auth_group_mail_preview", args=["999999"])).status_code, 404)

    def test_inline_images_are_shown_in_the_preview(self):
        GroupAdmin.object_mail = ImageMail
        self.addCleanup(setattr, GroupAdmin, "object_mail", GroupMail)
        answer = self.client.get(reverse("newsroom:auth_group_mail_preview", args=[self.groups[0].pk]))
        self.assertContains(answer, "data:image/png;base64,iVBORw==")

    def test_the_page_has_no_inline_script_or_style_of_ours(self):
        page = self.act().content.decode()
        start = page.index('<section class="courant-mail"')
        ours = page[start : page.index("</form>", start)]
        for inline in ("<script", "<style", " style=", "onclick="):
            self.assertNotIn(inline, ours)

    def test_a_mail_that_cannot_be_made_is_told_and_nothing_is_queued(self):
        class Broken(GroupMail):
            text_template = "news/broken.txt"

        GroupAdmin.object_mail = Broken
        self.addCleanup(setattr, GroupAdmin, "object_mail", GroupMail)
        for data in ({}, {"key": "0" * 32}):
            with self.assertLogs("courant_mail.admin.object_mail", "WARNING"):
                answer = self.act(*self.groups, **data)
            self.assertEqual(answer.status_code, 302)
            self.assertContains(self.client.get(reverse(LIST)), "cannot be made")
        self.assertFalse(MessageJob.objects.exists())

    def test_too_many_at_once_are_refused(self):
        GroupAdmin.object_mail_limit = 2
        self.addCleanup(delattr, GroupAdmin, "object_mail_limit")
        self.act(*self.groups, key="0" * 32)
        self.assertFalse(MessageJob.objects.exists())
        self.assertContains(self.client.get(reverse(LIST)), "at most 2")
