"""Somebody who visits the pages without a mouse."""

from __future__ import annotations

from playwright.sync_api import Page, expect

#: more are not asked of anybody
_MOST_TABS = 150
_WORDS = """() => {
  const element = document.activeElement;
  return (element.labels?.[0]?.textContent || element.textContent || element.value || '').trim();
}"""


class Keyboard:
    """Keys, and where they lead."""

    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def focused(self) -> str:
        """The words of what has the focus."""
        return str(self.page.evaluate(_WORDS))

    def go_to(self, name: str) -> None:
        """With the tab key, from where one is."""
        there = self.page.get_by_text(name).or_(self.page.get_by_role("button", name=name))
        expect(there.first).to_be_attached()
        for _ in range(_MOST_TABS):
            if self.focused == name:
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"{_MOST_TABS} tabs do not lead to {name!r}")

    def skip(self) -> None:
        """Past the menus of the admin, with the link that is there for that."""
        self.go_to("Skip to main content")
        self.page.keyboard.press("Enter")

    def press_enter_on(self, name: str) -> None:
        """Ends when the next page is there."""
        self.go_to(name)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def write_into(self, label: str, text: str) -> None:
        self.go_to(label)
        self.page.keyboard.type(text)
