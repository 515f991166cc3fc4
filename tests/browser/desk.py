"""What an editor does at the desk, step by step, as the tests and the makers of screenshots need it."""

from __future__ import annotations

from playwright.sync_api import FilePayload, Page, expect

JOBS = "/admin/courant_mail/messagejob/"

TEXT = "Dear {{ first_name }},\n\nyour course {{ course }} begins on Monday.\n\nNo more of it: {{ unsubscribe_url }}\n"
HTML = (
    "<h1>Welcome</h1><p>Dear {{ first_name }},</p><p>your course <b>{{ course }}</b> begins on Monday.</p>"
    '<p><a href="{{ unsubscribe_url }}">No more of it</a></p>'
)


class Circle:
    """
    Six people at addresses of their own, and the file that names them.

    The local server takes the mail to `friends`, that to `busy` at the second try, and that to `gone` never.
    """

    def __init__(self, mark: str) -> None:
        self.cleo = f"cleo.{mark}@example.org"
        self.friends = [f"ann.{mark}@example.org", f"bo.{mark}@example.org", self.cleo, f"dee.{mark}@example.com"]
        self.busy, self.gone = f"eve.{mark}@busy.example", f"finn.{mark}@gone.example"

    @property
    def sheet(self) -> str:
        """CSV with a seventh line that is nobody."""
        addresses = [*self.friends, self.busy, self.gone, "nobody at all"]
        names = ["Ann", "Bo", "Cleo", "Dee", "Eve", "Finn", "Gus"]
        courses = ["Drawing", "Chess", "Choir", "Choir", "Chess", "Drawing", "Chess"]
        rows = zip(addresses, names, courses, strict=True)
        return "".join(f"{','.join(row)}\n" for row in [("email", "First name", "Course"), *rows])


class Desk:
    """One window of an editor. Every step ends on the page that the editor sees then."""

    def __init__(self, page: Page, *, javascript: bool = True) -> None:
        self.page = page
        self._javascript = javascript

    @property
    def content(self) -> str:
        """The words of the page as people read them."""
        return self.page.locator("#content").inner_text()

    def write(self, subject: str, sheet: str, *, text: str = TEXT, html: str = HTML) -> None:
        """A draft to the people of a CSV file."""
        self.page.goto(f"{JOBS}add/")
        self.page.get_by_label("Subject").fill(subject)
        self.page.get_by_label("HTML:").fill(html)
        self.page.get_by_label("Text:", exact=True).fill(text)
        self.choose_file("Recipients from a CSV file", "courses.csv", sheet)
        self.press("Save")
        self.is_told("added successfully")

    def choose_file(self, label: str, name: str, content: str) -> None:
        file = FilePayload(name=name, mimeType="text/csv", buffer=content.encode())
        self.page.get_by_label(label).set_input_files(file)

    def press(self, name: str) -> None:
        """The button with exactly these words; ends when the next page is there."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        """The link with exactly these words; ends when the next page is there."""
        with self.page.expect_navigation():
            self.page.get_by_role("link", name=name, exact=True).click()

    def tick_issue(self, number: str) -> None:
        """Choose "Send email update" for an issue of the newspaper; ends on the page before sending."""
        self.page.goto("/admin/news/issue/")
        self.page.get_by_role("row", name=number).get_by_role("checkbox").check()
        self.page.locator("select[name=action]").select_option("Send email update")
        with self.page.expect_navigation():
            self.page.locator(".actions button[name=index]").click()

    def send(self, *, says: str = "") -> None:
        """From the page of a draft, through the page before sending, which should say so."""
        self.follow("Send…")
        expect(self.page.locator("#content")).to_contain_text(says)
        self.press("Send it")
        self.is_told("is queued")

    def do(self, what: str, done: str, *, says: str = "") -> None:
        """One of the acts of a job that was sent, through the page that asks; it should say how many people."""
        self.follow(f"{what}…")
        expect(self.page.locator("#content")).to_contain_text(says)
        self.press(what)
        self.is_told(done)

    def is_told(self, text: str) -> None:
        """Wait until the admin says so at the top of the page."""
        expect(self.page.locator(".messagelist")).to_contain_text(text)

    def sees(self, *texts: str) -> None:
        """
        Wait until the page shows it.

        With scripts the page comes to it by itself; without them somebody loads it again.
        """
        if not self._javascript:
            self.page.reload()
        for text in texts:
            expect(self.page.locator("#content")).to_contain_text(text)
