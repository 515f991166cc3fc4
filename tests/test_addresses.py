from __future__ import annotations

import datetime
import decimal
import json
import unicodedata
from typing import Any

from django.test import SimpleTestCase
from hypothesis import given, settings
from hypothesis import strategies as st

from courant_mail.addresses import (
    MAX_STORED,
    Recipient,
    canonical,
    clean_name,
    format_recipients,
    iter_recipients,
    needs_smtputf8,
    parse_recipient,
    redact,
    salvage,
    to_wire,
)
from courant_mail.exceptions import InvalidAddress

FEW = settings(max_examples=60, deadline=None)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ADDRESSES = st.sampled_from(["ann@example.org", "Ann.B+c@Example.org", "É@münchen.example", "x@xn--mnchen-3ya.example"])
ENTRIES = (
    ADDRESSES
    | st.text(max_size=30)
    | st.tuples(st.text(max_size=20), ADDRESSES)
    | st.builds(
        lambda address, name, rest: {**rest, "email": address, "name": name},
        ADDRESSES,
        st.text(),
        st.dictionaries(st.text(), JSON, max_size=3),
    )
)


def known(entry: Any):
    """The recipient, or None where the entry names none."""
    try:
        return parse_recipient(entry)
    except InvalidAddress:
        return None


class CanonicalTests(SimpleTestCase):
    def test_one_person_has_one_spelling(self):
        for spelled in ("Ann@Example.ORG", " ann@example.org ", "ANN@EXAMPLE.ORG"):
            self.assertEqual(canonical(spelled), "ann@example.org")
        decomposed = unicodedata.normalize("NFD", "é@example.org")
        self.assertEqual(canonical(decomposed), "é@example.org")
        self.assertEqual(canonical("a@xn--mnchen-3ya.example"), "a@münchen.example")
        self.assertEqual(canonical("a@MÜNCHEN.example"), "a@münchen.example")

    def test_domains_that_only_a_site_knows_are_accepted(self):
        for address in ("root@localhost", "a@site.test", "a@printer.local", "a@example.org"):
            self.assertEqual(canonical(address), address)

    def test_what_is_no_address_is_refused_with_a_reason(self):
        for text in (
            "",
            "ann",
            "ann@",
            "@example.org",
            "ann@gmail",
            "a b@example.org",
            "a@b@example.org",
            "a..b@example.org",
            ".a@example.org",
            "a@-x.org",
            "a@x-.org",
            "a@exa_mple.org",
            "a@example.org\nBcc: b@example.org",
            "a\x00@example.org",
            "a\ud800@example.org",
            "a@192.0.2.1",
            "a@[192.0.2.1]",
            "a" * 65 + "@example.org",
            "a@" + "b" * 64 + ".org",
            "a@" + "b.c" * 90 + ".org",
            "x" * 100_000,
        ):
            with self.subTest(text=text[:40]), self.assertRaises(InvalidAddress) as caught:
                canonical(text)
            self.assertGreater(len(str(caught.exception)), 10)

    @FEW
    @given(
        st.text(max_size=40)
        | st.builds("{}@{}".format, st.text(max_size=10), st.sampled_from(["example.org", "É.org"]))
    )
    def test_a_canonical_address_is_its_own_canonical_spelling(self, text):
        try:
            found = canonical(text)
        except InvalidAddress:
            return
        self.assertEqual(canonical(found), found)
        self.assertLessEqual(len(found), MAX_STORED)


class ParseTests(SimpleTestCase):
    def test_every_shape_is_read(self):
        ann = Recipient("ann@example.org", None, "Ann B", {"name": "Ann B"})
        shapes: tuple[Any, ...] = (
            ("Ann B", "ann@example.org"),
            ["Ann B", "ann@example.org"],
            {"email": "ann@example.org", "name": "Ann B"},
            "Ann B <ann@example.org>",
            '"Ann B" <ann@example.org>',
        )
        for given_ in shapes:
            self.assertEqual(parse_recipient(given_), ann)
        self.assertEqual(parse_recipient("ann@example.org"), Recipient("ann@example.org"))
        self.assertEqual(parse_recipient("<ann@example.org>"), Recipient("ann@example.org"))
        self.assertEqual(parse_recipient(r'"A \"B\" \\ C, D" <a@example.org>').name, r'A "B" \ C, D')

    def test_the_spelling_on_the_wire_is_kept(self):
        self.assertEqual(parse_recipient("Ann.B@Example.org").spelled, "Ann.B@Example.org")
        self.assertIsNone(parse_recipient("ann.b@example.org").spelled)
        self.assertEqual(parse_recipient("Å@münchen.example").spelled, "Å@münchen.example")

    def test_merge_values_become_plain_data(self):
        entry: dict[Any, Any] = {
            "email": "a@example.org",
            "joined": datetime.date(2024, 5, 1),
            "sum": decimal.Decimal("1.50"),
            "bad": "a\x00b\ud800c",
            "list": ({"x": float("nan")}, None, True),
            7: "number",
        }
        found = parse_recipient(entry)
        self.assertEqual(
            found.merge,
            {
                "joined": "2024-05-01",
                "sum": "1.50",
                "bad": "ab\ufffdc",
                "list": [{"x": "nan"}, None, True],
                "7": "number",
            },
        )

    def test_what_names_nobody_is_refused(self):
        nobody: tuple[Any, ...] = (
            None,
            42,
            (),
            ("a",),
            {"name": "Ann"},
            {"email": 5},
            b"a@example.org",
            {"email": "a@example.org", "x": object()},
        )
        for given_ in nobody:
            with self.subTest(given=given_), self.assertRaises(InvalidAddress):
                parse_recipient(given_)

    @FEW
    @given(ENTRIES)
    def test_a_recipient_can_be_stored_and_put_on_one_line(self, entry):
        found = known(entry)
        if found is None:
            return
        json.dumps(found.merge, allow_nan=False).encode("utf-8")
        json.dumps(found.merge, ensure_ascii=False).encode("utf-8")
        self.assertNotIn("\0", json.dumps(found.merge, ensure_ascii=False))
        self.assertNotIn("\\u0000", json.dumps(found.merge))
        self.assertEqual(len(f"{found.name} ".splitlines()), 1)
        self.assertEqual(clean_name(found.name), found.name)


class SalvageTests(SimpleTestCase):
    @FEW
    @given(ENTRIES | st.none() | st.integers() | JSON | st.text(min_size=400))
    def test_an_invalid_entry_can_be_stored(self, entry):
        stored = salvage(entry, "reason")
        self.assertTrue(stored.isprintable())
        self.assertTrue(1 <= len(stored) <= MAX_STORED)

    def test_different_long_entries_stay_different(self):
        self.assertNotEqual(salvage("x" * 500, ""), salvage("x" * 501, ""))

    def test_the_address_is_shown_where_there_is_one(self):
        self.assertEqual(salvage({"email": "Ann@Example.org", "x": object()}, ""), "ann@example.org")
        self.assertEqual(salvage({"email": "no address"}, ""), "no address")
        self.assertIn("nothing given", salvage("", "nothing given"))


class ListTests(SimpleTestCase):
    def test_lines_semicolons_and_commas_separate(self):
        text = 'a@x.org; "Smith, Ann; Dr" <b@x.org>,,\r\n  <c@x.org>\n{"email": "d@x.org", "n": "a;b\\n"}\n\ne@x.org'
        self.assertEqual(
            [entry for entry, _ in iter_recipients(text)],
            ["a@x.org", '"Smith, Ann; Dr" <b@x.org>', "<c@x.org>", {"email": "d@x.org", "n": "a;b\n"}, "e@x.org"],
        )

    def test_a_quote_that_is_not_closed_harms_only_its_own_entry(self):
        found = [entry for entry, _ in iter_recipients('Jo "x <a@x.org>; b@x.org\nc@x.org')]
        self.assertEqual(found[1:], ["b@x.org", "c@x.org"])
        self.assertEqual([entry for entry, _ in iter_recipients("{broken\na@x.org")], ["{broken", "a@x.org"])

    def test_hostile_text_takes_no_longer_than_its_length_deserves(self):
        for piece in ('"', "<", '"\\', "<a", '<"', "{", "\\", '";', "<;", " ", "[" * 9):
            text = piece * (30_000 // len(piece))
            sum(1 for _ in iter_recipients(text))

    @FEW
    @given(st.lists(ENTRIES, max_size=5))
    def test_what_is_written_is_read_again(self, entries):
        text = format_recipients(entries)
        text.encode("utf-8")
        read = list(iter_recipients(text))
        self.assertEqual([known(entry) for entry, _ in read], [known(entry) for entry in entries])
        for index, (_, offset) in enumerate(read):
            self.assertEqual(list(iter_recipients(text, offset)), read[index + 1 :])

    @FEW
    @given(st.text(alphabet='ab@x.;,"<>{}\\\r\n: ', max_size=80))
    def test_reading_can_be_taken_up_at_any_entry(self, text):
        read = list(iter_recipients(text))
        for index, (_, offset) in enumerate(read):
            self.assertEqual(list(iter_recipients(text, offset)), read[index + 1 :])

    def test_a_list_is_read_piece_by_piece(self):
        stream = iter_recipients("a@x.org\n" + "{" * 10_000_000)
        self.assertEqual(next(stream), ("a@x.org", 8))


class WireTests(SimpleTestCase):
    def test_international_domains_go_out_in_a_labels(self):
        self.assertEqual(to_wire("a@münchen.example", smtputf8=False), "a@xn--mnchen-3ya.example")
        self.assertEqual(to_wire("a@faß.example", smtputf8=True), "a@xn--fa-hia.example")
        self.assertEqual(to_wire("Ann@example.org", smtputf8=False), "Ann@example.org")

    def test_other_local_parts_need_smtputf8(self):
        self.assertTrue(needs_smtputf8("é@example.org"))
        self.assertFalse(needs_smtputf8("a@münchen.example"))
        self.assertEqual(to_wire("é@münchen.example", smtputf8=True), "é@münchen.example")
        with self.assertRaises(InvalidAddress):
            to_wire("é@example.org", smtputf8=False)

    def test_logs_show_no_whole_address(self):
        self.assertEqual(redact("ann@example.org"), "a…@example.org")
        self.assertEqual(redact("nonsense"), "n…")
