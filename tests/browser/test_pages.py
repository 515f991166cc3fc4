"""Every page: its policy, its labels and headings, on every screen, with words that want to be more than words."""

from __future__ import annotations

from playwright.sync_api import Route, expect

from .base import HEIGHT, NARROW, WIDE, BrowserTestCase
from .desk import JOBS, Circle, Desk

STRICT = "default-src 'self'; frame-ancestors 'self'; form-action 'self'; base-uri 'self'; object-src 'none'"
PUBLIC = ["/", "/issues/44/", "/articles/computing-club-templates/", "/inbox/", "/accounts/password_reset/"]
NEWS = ["/admin/", "/admin/news/issue/", "/admin/news/issue/1/change/", "/admin/news/subscriber/"]
MAIL = [f"/admin/courant_mail/{page}/" for page in ("messagejob", "message", "suppression", "sender", "relaystate")] + [
    f"/admin/courant_mail/{page}/" for page in ("messagejob/add", "suppression/add")
]
OUTSIDE = "https://tracker.example"


class PageTests(BrowserTestCase):
    def test_no_page_does_what_the_policy_forbids(self) -> None:
        page = self.open()
        for path in [*PUBLIC, *NEWS, *MAIL]:
            with self.subTest(path=path):
                answer = page.goto(path)
                self.assertEqual(answer and answer.header_value("content-security-policy"), STRICT)
                self.assertEqual(self.complaints, [])
                self.complaints.clear()

    def test_what_the_policy_forbids_fails_a_test(self) -> None:
        page = self.open()
        page.goto("/")
        page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">red</p>')")
        page.evaluate("document.body.append(Object.assign(document.createElement('script'), {text: '1'}))")
        self.assertEqual(len(self.complaints), 2, self.complaints)
        self.complaints.clear()

    def test_the_preview_asks_nobody_outside_unless_it_is_told_to(self) -> None:
        desk = self.desk()
        asked: list[str] = []

        def refuse(route: Route) -> None:
            asked.append(route.request.url)
            route.abort()

        desk.page.route(f"{OUTSIDE}/**", refuse)
        desk.write("Pictures", Circle("a").sheet, html=f'<p>Look: <img src="{OUTSIDE}/pixel.png" alt="A picture"></p>')
        expect(desk.page.frame_locator("iframe").locator("body")).to_contain_text("Look")
        self.assertEqual(asked, [])
        desk.page.get_by_label("with the pictures from the web").check()
        with desk.page.expect_event("requestfailed"):
            desk.press("Show")
        self.assertEqual(asked, [f"{OUTSIDE}/pixel.png"])
        self.complaints.clear()  # of the picture that was blocked, and of the other one that has not come

    def test_hostile_words_are_only_words(self) -> None:
        desk = self.desk()
        hostile = "<script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
        sheet = f'email,First name,Course\nbea@example.org,"{hostile}","=1+1"\n"{hostile}@example.org",Bo,Chess\n'
        desk.write(f"{hostile} {{{{ first_name }}}}", sheet, html=f"<p>Dear {{{{ first_name }}}} {hostile}</p>")
        self.assertIn(hostile, desk.content)
        desk.send()
        self.site.run("process_mail_jobs")
        self.site.run("send_mail")
        desk.sees("finished")
        desk.follow("Everybody, and what became of their mail")
        desk.follow("bea@example.org")
        self.assertIn(hostile, desk.content)
        desk.page.goto(JOBS)
        self.assertIn(hostile, desk.content)
        self.assertNotIn("taken", desk.page.title())
        # The frame loads no pictures, not even that of the <img> that the sanitiser has left without its script.
        self.complaints[:] = [text for text in self.complaints if '"img-src data:"' not in text]

    def test_pages_can_be_read_by_everybody_on_every_screen(self) -> None:
        desk, circle = self.desk(), Circle("c")
        desk.page.goto(f"{JOBS}add/")
        self.assertReadable(desk)
        desk.write("Readable", circle.sheet)
        desk.press("Make a dry run")
        self.assertReadable(desk)
        desk.follow("Send…")
        self.assertReadable(desk)
        desk.press("Send it")
        self.site.run("process_mail_jobs")
        self.site.run("send_mail", "--limit", "3")
        desk.sees("being sent", "3 of 6", "Would get it")
        self.assertReadable(desk)
        for act in ("Pause…", "Cancel…"):
            desk.follow(act)
            self.assertReadable(desk)
            desk.follow("No, go back")
        self.site.run("send_mail")
        desk.sees("the address does not exist")
        self.assertReadable(desk)
        desk.follow("Send to the rest…")
        self.assertReadable(desk)
        desk.follow("No, go back")
        desk.follow("Everybody, and what became of their mail")
        self.assertReadable(desk)
        desk.follow(circle.gone)
        self.assertReadable(desk)
        for path in (JOBS, "/admin/courant_mail/suppression/", "/admin/courant_mail/suppression/add/"):
            desk.page.goto(path)
            self.assertReadable(desk)

    def assertReadable(self, desk: Desk) -> None:
        """Wide and narrow."""
        for width in (NARROW, WIDE):
            desk.page.set_viewport_size({"width": width, "height": HEIGHT})
            self.assertAccessible(desk.page)
