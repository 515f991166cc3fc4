"""The arithmetic of the benchmarks: from figures to rows with targets, tables, the chart and the documentation."""

from __future__ import annotations

import tempfile
from pathlib import Path
from xml.etree import ElementTree

from django.test import SimpleTestCase

from benchmarks import publish
from benchmarks.chart import svg
from benchmarks.figures import Book
from benchmarks.parts import PARTS
from benchmarks.report import Report, command_line, number, tables_of_figures
from benchmarks.targets import Row, rows


def book_of(**figures: list[float]) -> Book:
    """A book with these figures; two underscores stand for a slash."""
    book = Book()
    for name, values in figures.items():
        key = name.replace("__", "/").replace("django_mailer", "django-mailer").replace("mail_4", "mail-4")
        for value in values:
            book.add(key, value, what=f"the {key}", unit="messages/s", database="postgresql")
    return book


def sent(ours: list[float], mailer: list[float]) -> Book:
    return book_of(sending__postgresql__30__courant_mail_4=ours, sending__postgresql__30__django_mailer=mailer)


class TargetTests(SimpleTestCase):
    def only(self, book: Book) -> Row:
        [row] = rows(book)
        return row

    def test_what_was_not_measured_has_no_row(self):
        self.assertEqual(rows(Book()), [])

    def test_ratios_are_made_round_by_round_and_their_median_counts(self):
        row = self.only(sent([3000, 1000, 2600], [100, 50, 100]))
        self.assertEqual(row.values, (30, 20, 26))
        self.assertEqual(row.reached, 26)
        self.assertTrue(row.met)

    def test_a_target_that_is_missed_says_so(self):
        self.assertIs(self.only(sent([2499.0], [100.0])).met, False)

    def test_the_peer_is_taken_at_its_best(self):
        book = sent([2500.0], [50.0])
        book.add("sending/postgresql/30/django-mailer-short-log", 200, what="with a short log", unit="", database="")
        row = self.only(book)
        self.assertEqual(row.reached, 12.5)
        self.assertIn("with a short log", row.note)

    def test_two_processes_are_not_judged_where_no_core_is_free(self):
        figures = {"two__fast__1": [1000.0], "two__fast__2": [1100.0]}
        self.assertIsNone(self.only(book_of(**figures, two__fast__idle=[0.2])).met)
        self.assertIs(self.only(book_of(**figures, two__fast__idle=[1.2])).met, False)

    def test_the_slow_relay_is_held_against_connections_by_delay(self):
        figures = {"slow__limit": [500.0]}
        self.assertTrue(self.only(book_of(**figures, slow__courant_mail=[460.0])).met)
        self.assertFalse(self.only(book_of(**figures, slow__courant_mail=[440.0])).met)

    def test_memory_must_neither_grow_nor_be_much(self):
        grown, most = rows(book_of(memory__send_mail__1000=[60.0], memory__send_mail__100000=[68.0]))
        self.assertAlmostEqual(grown.reached, 13.3, places=1)
        self.assertFalse(grown.met)
        self.assertEqual(most.reached, 68)
        self.assertTrue(most.met)

    def test_urgent_mail_is_judged_by_its_median_and_its_worst(self):
        self.assertTrue(self.only(book_of(urgent__fast=[100, 200, 999])).met)
        self.assertFalse(self.only(book_of(urgent__fast=[100, 200, 1001])).met)
        self.assertFalse(self.only(book_of(urgent__fast=[100, 301, 400])).met)

    def test_the_slowest_of_the_empty_runs_counts(self):
        book = book_of(
            empty__postgresql__check=[100, 100], empty__postgresql__a=[110, 110], empty__postgresql__b=[116, 116]
        )
        row = self.only(book)
        self.assertAlmostEqual(row.reached, 1.16)
        self.assertFalse(row.met)

    def test_queueing_must_take_as_many_queries(self):
        figures = {"queueing__postgresql__few": [4.0], "queueing__postgresql__many": [4.4]}
        few = {"queueing-queries__postgresql__few": [4.0]}
        self.assertTrue(self.only(book_of(**figures, **few, **{"queueing-queries__postgresql__many": [4.0]})).met)
        self.assertFalse(self.only(book_of(**figures, **few, **{"queueing-queries__postgresql__many": [5.0]})).met)


class ReportTests(SimpleTestCase):
    def test_a_saved_report_is_read_again(self):
        report = Report(sent([2500.0, 2600.0], [100.0]), {"machine": "a small one"}, "python benchmarks/run.py")
        with tempfile.TemporaryDirectory() as folder:
            as_json, as_markdown = report.save(Path(folder), "table")
            again = Report.load(as_json)
            self.assertEqual(again.markdown(), report.markdown())
            self.assertEqual(as_markdown.read_text(), report.markdown() + "\n")

    def test_it_does_not_tell_where_it_was_written_to(self):
        given = ["sending", "--output", "/somewhere", "--runs", "5"]
        self.assertEqual(command_line("run.py", given), "python run.py sending --runs 5")

    def test_numbers_have_three_digits_that_mean_something(self):
        self.assertEqual([number(value) for value in (12345.6, 99.44, 3.14159, 4.0)], ["12,346", "99.4", "3.14", "4"])

    def test_a_later_result_replaces_an_earlier_one(self):
        book = sent([1.0], [1.0])
        book.take(book_of(sending__postgresql__30__courant_mail_4=[7.0]))
        found = book.get("sending/postgresql/30/courant_mail-4")
        self.assertEqual(found and found.values, [7.0])
        self.assertEqual(len(tables_of_figures(book)), 1)


class ChartTests(SimpleTestCase):
    def test_it_is_a_picture_with_words(self):
        book = sent([2500.0, 2600.0], [100.0, 101.0])
        picture = ElementTree.fromstring(svg(book))
        texts = " ".join(picture.itertext())
        for words in ("courant_mail, PostgreSQL", "2,550", "django-mailer, PostgreSQL"):
            with self.subTest(words=words):
                self.assertIn(words, texts)

    def test_without_figures_there_is_none(self):
        with self.assertRaises(ValueError):
            svg(Book())


class PublishTests(SimpleTestCase):
    def test_only_what_is_between_the_marks_changes(self):
        page = "before\n<!-- a: begin -->\nold\n<!-- a: end -->\nafter \\1"
        put = publish.put(page, "a", "new \\1")
        self.assertEqual(put, "before\n<!-- a: begin -->\n\nnew \\1\n\n<!-- a: end -->\nafter \\1")

    def test_the_page_has_every_mark(self):
        page = publish.PAGE.read_text()
        for mark in ("chart", "targets", "facts", *publish.TABLES):
            with self.subTest(mark=mark):
                publish.put(page, mark, "")

    def test_the_page_names_a_command_for_every_part(self):
        page = publish.PAGE.read_text()
        for part in PARTS.values():
            if not part.in_table:
                with self.subTest(part=part.name):
                    self.assertIn(f"benchmarks/run.py {part.name}", page)
