"""The newspaper's pages, and its mail from the tick in the admin to the finished letter."""

from __future__ import annotations

import re
from io import StringIO

from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import TestCase, override_settings
from django.urls import reverse

import newspaper.settings
from courant_mail.models import JobStatus, Message, MessageJob, MessageStatus
from courant_mail.testing import drain
from newspaper.middleware import CONTENT_SECURITY_POLICY

from .models import Article, Issue, Subscriber
from .sample.people import INVALID, UNSUBSCRIBED, people

REAL_MAIL_SETTINGS = {
    name: getattr(newspaper.settings, name)
    for name in ("EMAIL_BACKEND", "MAILERS")
    if hasattr(newspaper.settings, name)
}


class NewspaperTestCase(TestCase):
    editor: User

    @classmethod
    def setUpTestData(cls) -> None:
        call_command("load_sample_data", subscribers=60, verbosity=0)
        cls.editor = User.objects.get(username="editor")


class SampleDataTests(NewspaperTestCase):
    def test_loading_it_again_changes_nothing(self) -> None:
        before = [Issue.objects.count(), Article.objects.count(), Subscriber.objects.count()]
        output = StringIO()
        call_command("load_sample_data", subscribers=60, stdout=output)
        self.assertEqual([Issue.objects.count(), Article.objects.count(), Subscriber.objects.count()], before)
        self.assertIn("60 active subscribers", output.getvalue())

    def test_what_an_editor_has_changed_stays(self) -> None:
        Issue.objects.filter(number=44).update(title="Lights off")
        call_command("load_sample_data", subscribers=60, verbosity=0)
        self.assertEqual(Issue.objects.get(number=44).title, "Lights off")

    def test_the_sample_people_are_always_the_same(self) -> None:
        self.assertEqual(list(people(500)), list(people(500)))
        self.assertEqual(sum(person.active for person in people(5000)), 5000)


class PublicPageTests(NewspaperTestCase):
    def test_front_page_issue_and_article(self) -> None:
        issue = Issue.objects.get(number=42)
        self.assertContains(self.client.get("/"), "Lights on")
        self.assertContains(self.client.get(issue.get_absolute_url()), "Wanted: two violas")
        self.assertContains(
            self.client.get(reverse("article", args=["computing-club-templates"])), "Dear {{ first_name }}"
        )

    def test_an_empty_newspaper_has_a_front_page_too(self) -> None:
        Issue.objects.all().delete()
        self.assertContains(self.client.get("/"), "load_sample_data")

    def test_every_page_says_that_all_it_loads_is_the_sites_own(self) -> None:
        for url in ("/", reverse("colours"), reverse("admin:login")):
            self.assertEqual(self.client.get(url)["Content-Security-Policy"], CONTENT_SECURITY_POLICY)

    def test_the_colours_of_the_covers_are_a_style_sheet(self) -> None:
        Issue.objects.filter(number=43).update(colour="red;}*{")
        rules = self.client.get(reverse("colours")).content.decode().splitlines()
        self.assertEqual(rules[0], ".issue-44 { --colour: #8a1c2b; }")
        self.assertEqual(len(rules), 3, "what is no colour is left out")
        self.assertNotContains(self.client.get("/"), "style=")

    # Django's test runner takes the site's mail out of the way; here it is what we look at.
    @override_settings(**REAL_MAIL_SETTINGS)
    def test_a_password_reset_is_queued_before_everything_else(self) -> None:
        answer = self.client.post(reverse("password_reset"), {"email": self.editor.email}, follow=True)
        self.assertContains(answer, "Look into your mail")
        message = Message.objects.get()
        self.assertEqual((message.recipient, message.get_priority_display()), (self.editor.email, "high"))


class EmailUpdateTests(NewspaperTestCase):
    def setUp(self) -> None:
        self.client.force_login(self.editor)
        self.issue = Issue.objects.get(number=44)

    def choose(self, model: str, pk: int) -> str:
        """Ticks one object in the admin, runs the action on it, and returns the page that comes."""
        ticked = {"action": "send_object_mail", "_selected_action": str(pk)}
        answer = self.client.post(reverse(f"admin:news_{model}_changelist"), ticked, follow=True)
        return answer.content.decode()

    def confirm(self, model: str, pk: int) -> MessageJob:
        """The same, and then the button of that page."""
        hidden = dict(re.findall(r'name="(job|seen-\d+)" value="(\w+)"', self.choose(model, pk)))
        self.assertEqual(len(hidden), 2)
        self.client.post(reverse("admin:courant_mail_messagejob_send"), hidden | {"when": "now"})
        return MessageJob.objects.get()

    def test_the_action_shows_the_mail_and_sends_nothing(self) -> None:
        page = self.choose("issue", self.issue.pk)
        self.assertIn("about 60 people", page)
        self.assertIn("The Courant No. 44: Lights on", page)
        self.assertIn("Hello Käthe,", page, "as the first of them gets it")
        self.assertEqual(MessageJob.objects.get().status, JobStatus.DRAFT)

    def test_the_button_queues_one_job(self) -> None:
        job = self.confirm("issue", self.issue.pk)
        self.assertEqual((job.source, job.status, job.created_by), ("news.subscribers", JobStatus.QUEUED, "editor"))

    def test_every_subscriber_gets_one_mail_and_everybody_else_is_accounted_for(self) -> None:
        job = self.confirm("issue", self.issue.pk)
        mails = drain()
        self.assertEqual(len({mail.rcpt_to.lower() for mail in mails}), len(mails))
        counted = {status: Message.objects.filter(job=job, status=status).count() for status in MessageStatus}
        self.assertEqual(counted[MessageStatus.SENT], len(mails))
        self.assertEqual(counted[MessageStatus.FAILED], len(INVALID))
        self.assertEqual(counted[MessageStatus.SUPPRESSED], len(UNSUBSCRIBED))
        self.assertEqual(sum(counted.values()), 60 - 4, "four are on the list twice")

    def test_everybody_is_greeted_by_name(self) -> None:
        self.confirm("issue", self.issue.pk)
        mails = {mail.rcpt_to: mail for mail in drain()}
        bobby, nameless = mails["bobby.tags@example.org"], mails["somebody.without.a.name@example.org"]
        self.assertIn('Hello <b>Bobby</b> & "Co",', bobby.text)
        self.assertIn("Hello &lt;b&gt;Bobby&lt;/b&gt; &amp; ", bobby.html)
        self.assertIn("Hello reader,", nameless.text)
        self.assertIn("Hello reader,", nameless.html)

    def test_braces_in_an_article_are_text_and_not_a_template(self) -> None:
        article = Article.objects.get(slug="computing-club-templates")
        page = self.choose("article", article.pk)
        self.assertIn("Dear {{ first_name }}", page.replace("&quot;", '"'))
        self.assertIn("{% comment %} would have been even worse", page)
