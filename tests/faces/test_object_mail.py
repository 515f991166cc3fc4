"""Mail about the objects of a site: its templates, and the editor's way from the action to the queue."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urlsplit

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test import TestCase, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path, reverse
from django.utils import translation

from courant_mail.admin import MessageJobAdmin, ObjectMail
from courant_mail.api import Priority
from courant_mail.exceptions import InvalidMail, UnknownSource
from courant_mail.models import Message, MessageJob
from courant_mail.testing import drain

from .site import GroupAdmin, GroupMail, ImageMail, site, with_site

LIST = "newsroom:auth_group_changelist"
SEND = "newsroom:courant_mail_messagejob_send"


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
class ActionTestCase(TestCase):
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

    def page(self, *groups):
        """The page that the action leads to."""
        answer = self.act(*groups)
        self.assertEqual(answer.status_code, 302)
        self.assertEqual(urlsplit(answer.url).path, reverse(SEND))
        return self.client.get(answer.url)

    def press(self, page, **data):
        """The button of the page."""
        candidates = page.context["candidates"]
        seen = {f"seen-{candidate.job.pk}": candidate.seen for candidate in candidates}
        jobs = [candidate.job.pk for candidate in candidates]
        given = {"job": jobs, "when": "now", "back": page.context["back"], **seen, **data}
        return self.client.post(reverse(SEND), given)

    def use(self, mail):
        GroupAdmin.object_mail = mail
        self.addCleanup(setattr, GroupAdmin, "object_mail", GroupMail)


class ActionTests(ActionTestCase):
    def test_the_action_writes_a_draft_shows_it_and_sends_nothing(self):
        page = self.page()
        job = MessageJob.objects.get()
        self.assertEqual((job.status, job.created_by, job.sanitize_html), ("draft", self.editor.username, False))
        self.assertContains(page, "News: Group 0")
        self.assertContains(page, "about 2 people")
        self.assertContains(page, "The Courant &lt;editors@courant.example&gt;")
        self.assertContains(page, "Hello R0, news of Group 0")
        frame = reverse("newsroom:courant_mail_messagejob_preview_html", args=[job.pk])
        self.assertContains(page, f'<iframe sandbox referrerpolicy="no-referrer" src="{frame}?')
        self.assertContains(self.client.get(frame), "<p>Hello R0</p>")
        self.assertEqual(drain(), [])

    def test_the_button_sends_the_words_that_were_shown(self):
        page = self.page()
        Group.objects.filter(pk=self.groups[0].pk).update(name="Another name")
        answer = self.press(page)
        self.assertRedirects(answer, reverse(LIST), fetch_redirect_response=False)
        mails = drain()
        self.assertEqual({mail.rcpt_to for mail in mails}, {"reader0@example.org", "reader1@example.org"})
        self.assertEqual({mail.subject for mail in mails}, {"News: Group 0"})

    def test_writing_it_in_the_admin_is_one_insert_whatever_the_number_of_recipients(self):
        User.objects.bulk_create(User(username=f"x{n}", email=f"x{n}@example.org") for n in range(500))
        with CaptureQueriesContext(connection) as queries:
            page = self.page()
            self.press(page)
        changes = [
            q["sql"].split()[0]
            for q in queries.captured_queries
            if q["sql"].startswith(("INSERT", "UPDATE")) and "courant_mail_m" in q["sql"]
        ]
        self.assertEqual(changes, ["INSERT", "UPDATE"])

    def test_pressing_twice_sends_once(self):
        page = self.page()
        self.press(page)
        self.press(page)
        self.assertEqual(MessageJob.objects.count(), 1)
        self.assertEqual(len(drain()), 2)
        told = [entry.get_change_message() for entry in LogEntry.objects.filter(user=self.editor).order_by("pk")]
        self.assertEqual(told[0], "Written about “Group 0”.")
        self.assertEqual(told[1], f"Wrote mail {MessageJob.objects.get().pk} about it.")
        self.assertEqual(told[2:], ["Sent."])

    def test_running_the_action_twice_is_one_draft_with_the_words_of_the_last_time(self):
        first = self.page()
        Group.objects.filter(pk=self.groups[0].pk).update(name="Another name")
        second = self.page()
        job = MessageJob.objects.get()
        self.assertEqual(job.subject, "News: Another name")
        self.assertEqual(LogEntry.objects.count(), 2)
        self.press(first)
        self.assertEqual(
            MessageJob.objects.get().status, "draft", "what the first page has shown is not there any more"
        )
        self.press(second)
        self.assertEqual(MessageJob.objects.get().status, "queued")

    def test_files_are_those_of_the_last_time(self):
        self.use(ImageMail)
        for _ in range(2):
            self.page()
        self.assertEqual(MessageJob.objects.get().attachments.count(), 1)
        self.use(GroupMail)
        self.page()
        self.assertEqual(MessageJob.objects.get().attachments.count(), 0)

    def test_after_it_was_sent_the_action_writes_another_mail(self):
        for _ in range(2):
            self.press(self.page())
        self.assertEqual(MessageJob.objects.count(), 2)
        self.assertEqual(len(drain()), 4)

    def test_everybody_has_drafts_of_their_own(self):
        self.page()
        self.sign_in("auth.view_group", "auth.change_group", "courant_mail.send_messagejob")
        self.page()
        self.assertEqual(MessageJob.objects.count(), 2)

    def test_each_selected_object_is_a_mail_of_its_own(self):
        page = self.page(*self.groups)
        self.assertEqual(len(page.context["candidates"]), 3)
        self.press(page)
        self.assertEqual(
            set(MessageJob.objects.filter(status="queued").values_list("subject", flat=True)),
            {f"News: Group {n}" for n in range(3)},
        )

    def test_a_draft_can_be_thrown_away(self):
        page = self.page()
        self.assertContains(page, 'value="Throw it away"')
        answer = self.press(page, discard="x")
        self.assertRedirects(answer, reverse(LIST), fetch_redirect_response=False)
        self.assertFalse(MessageJob.objects.exists())

    def test_no_leads_back_to_the_list(self):
        self.assertContains(self.page(), f'<a class="closelink" href="{reverse(LIST)}">')

    def test_whoever_has_sent_a_mail_sees_how_far_it_is(self):
        self.press(self.page())
        answer = self.client.get(reverse(LIST))
        self.assertContains(answer, "is queued")
        url = reverse("newsroom:courant_mail_messagejob_change", args=[MessageJob.objects.get().pk])
        self.assertContains(answer, f'<a href="{url}">See how far it is</a>')
        self.assertEqual(self.client.get(url).status_code, 200)
        self.sign_in("auth.view_group", "auth.change_group", "courant_mail.send_messagejob")
        self.assertEqual(self.client.get(url).status_code, 403)

    def test_a_dry_run_and_a_test_are_there_for_who_may_only_send(self):
        self.editor.email = "editor@example.org"
        self.editor.save()
        page = self.page()
        job = MessageJob.objects.get()
        for name in ("dry_run", "test"):
            url = reverse(f"newsroom:courant_mail_messagejob_{name}", args=[job.pk])
            self.assertContains(page, f'action="{url}"')
            self.assertEqual(self.client.post(url, {"to": "oneself"}).status_code, 302)
        self.assertEqual([mail.subject for mail in drain()], ["[Test] News: Group 0"])

    def test_without_the_permission_there_is_no_action_and_no_draft(self):
        self.sign_in("auth.view_group", "auth.change_group")
        self.assertNotContains(self.client.get(reverse(LIST)), "Send email update")
        self.act()
        self.assertFalse(MessageJob.objects.exists())
        self.client.logout()
        self.assertTrue(self.act().url.startswith("/newsroom/login/"))
        self.assertFalse(MessageJob.objects.exists())

    def test_a_get_writes_nothing(self):
        self.client.get(reverse(LIST), {"action": "send_object_mail", "_selected_action": "1"})
        self.assertFalse(MessageJob.objects.exists())

    def test_the_site_s_own_actions_stay(self):
        page = self.client.get(reverse(LIST))
        for label in ("Shout", "Send email update"):
            self.assertContains(page, label)
        self.assertNotContains(self.client.get(reverse(LIST) + "?_popup=1"), "Send email update")

    def test_inline_images_are_shown_in_the_preview(self):
        self.use(ImageMail)
        self.page()
        frame = reverse("newsroom:courant_mail_messagejob_preview_html", args=[MessageJob.objects.get().pk])
        self.assertContains(self.client.get(frame), "data:image/png;base64,iVBORw==")

    def test_a_mail_that_cannot_be_made_is_told_and_no_draft_is_written(self):
        broken = self.groups[1]

        class Broken(GroupMail):
            def __init__(self, obj):
                super().__init__(obj)
                if obj.pk == broken.pk:
                    self.text_template = "news/broken.txt"

        self.use(Broken)
        with self.assertLogs("courant_mail.admin.object_mail", "WARNING"):
            answer = self.act(*self.groups)
        self.assertEqual(answer.status_code, 302)
        self.assertContains(self.client.get(reverse(LIST)), "The mail about “Group 1” cannot be made")
        self.assertFalse(MessageJob.objects.exists())
        self.assertFalse(LogEntry.objects.exists())

    def test_too_many_at_once_are_refused(self):
        GroupAdmin.object_mail_limit = 2
        self.addCleanup(delattr, GroupAdmin, "object_mail_limit")
        self.act(*self.groups)
        self.assertFalse(MessageJob.objects.exists())
        self.assertContains(self.client.get(reverse(LIST)), "at most 2")


class SiteWithoutJobsTests(ActionTestCase):
    """An admin site that has the action and no pages for what it makes."""

    def setUp(self):
        super().setUp()
        site.unregister(MessageJob)
        self.addCleanup(site.register, MessageJob, MessageJobAdmin)
        urls = [path("newsroom/", site.urls)]
        self.enterContext(override_settings(ROOT_URLCONF=tuple(urls)))

    def test_the_action_says_so_and_writes_nothing(self):
        answer = self.act()
        self.assertIn("register MessageJob", "".join(map(str, answer.wsgi_request._messages)))
        self.assertFalse(MessageJob.objects.exists())
