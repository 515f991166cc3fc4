"""CSV files of recipients, as spreadsheet programs write them, and CSV that they cannot take for formulas."""

from __future__ import annotations

import csv
import io
import tracemalloc

from django.test import SimpleTestCase
from hypothesis import given, settings
from hypothesis import strategies as st

from courant_mail.addresses import format_recipients, iter_recipients, parse_recipient
from courant_mail.compose.sandbox import new_context, parse
from courant_mail.exceptions import InvalidFile
from courant_mail.sheets import MAX_FILE_BYTES, RecipientSheet, as_written, csv_bytes, csv_text
from courant_mail.sheets.rows import MAX_LINES_IN_ROW, rows

FEW = settings(max_examples=150, deadline=None)
BOM = b"\xef\xbb\xbf"
#: what is in the way of readers of CSV, in any order
PIECES = st.sampled_from(
    [
        "email",
        "name",
        "a@example.org",
        "É@x.org",
        ",",
        ";",
        "\t",
        '"',
        '""',
        "\n",
        "\r\n",
        "\r",
        " ",
        "'",
        "=",
        "x",
        "é",
    ]
)
TEXTS = st.lists(PIECES, max_size=60).map("".join)


def sheet(text: str | bytes) -> RecipientSheet:
    return RecipientSheet(io.BytesIO(text.encode() if isinstance(text, str) else text))


def recipients(text: str | bytes) -> list[dict[str, str] | None]:
    return [line.recipient for line in sheet(text)]


class EncodingTests(SimpleTestCase):
    def test_letters_are_told_in_what_spreadsheet_programs_write(self):
        text = "email,name\r\njosé@exämple.org,Renée Müller\r\n"
        for data in (
            text.encode(),
            BOM + text.encode(),
            text.encode("utf-16"),
            b"\xfe\xff" + text.encode("utf-16-be"),
            text.encode("cp1252"),
        ):
            with self.subTest(data[:6]):
                self.assertEqual(recipients(data), [{"email": "josé@exämple.org", "name": "Renée Müller"}])

    def test_only_letters_that_were_guessed_are_told_of(self):
        self.assertIn("UTF-8", "".join(sheet("email,n\na@x.org,é".encode("cp1252")).notices))
        self.assertEqual(sheet("email,n\na@x.org,é").notices, [])

    def test_a_letter_that_lies_across_two_pieces_is_read(self):
        data = b"email,n\na@x.org," + b"x" * (64 * 1024 - 17) + "é".encode() + b"\nb@x.org,\n"
        self.assertEqual(data[64 * 1024 - 1], "é".encode()[0])
        first, second = sheet(data)
        self.assertIn("too long", first.reason)
        self.assertTrue(first.cells[1].endswith("xé"))
        self.assertEqual(second.recipient, {"email": "b@x.org"})

    def test_what_is_no_table_is_refused_with_what_to_do(self):
        for data, fix in (
            (b"", "empty"),
            (b"\r\n  \r\n\r\n", "empty"),
            (b"PK\x03\x04rest of the zip", "Save it there as “CSV UTF-8”"),
            (b"\xd0\xcf\x11\xe0 an old workbook", "Save it there as “CSV UTF-8”"),
            (b"%PDF-1.7\0\1\2", "Save the table as “CSV UTF-8”"),
            ("email\na@x.org".encode("utf-16-le"), "Save the table as “CSV UTF-8”"),
            (b"email\n\x81@x.org", "Save it as “CSV UTF-8”"),
            (BOM + b"email\n\xe9@x.org", "Save it as “CSV UTF-8”"),
            (b"email\n" + b"a@example.org\n" * (MAX_FILE_BYTES // 14 + 1), "Split it"),
        ):
            with self.subTest(data[:20]), self.assertRaises(InvalidFile) as caught:
                sheet(data)
            self.assertIn(fix, str(caught.exception))

    def test_the_file_stays_open(self):
        file = io.BytesIO(b"email\na@x.org")
        list(RecipientSheet(file))
        with self.assertRaises(InvalidFile):
            RecipientSheet(io.BytesIO(b"x"))
        self.assertFalse(file.closed)


class HeadingTests(SimpleTestCase):
    def test_the_first_line_says_what_separates_the_cells(self):
        for text in (
            "email,name\na@x.org,Ann; Bo",
            "name;E-Mail\nAnn, Bo;a@x.org",
            "\ufeffname\tMail\nAnn,Bo\ta@x.org",
            "sep=;\r\nname;email\r\nAnn, Bo;a@x.org",
            '"name, if any";email\nAnn;a@x.org',
        ):
            with self.subTest(text):
                self.assertEqual([r and r["email"] for r in recipients(text)], ["a@x.org"])

    def test_the_address_is_known_by_its_heading_in_three_languages(self):
        for heading in (
            "email",
            "E-MAIL",
            "e-mail address",
            "Mail",
            "E-Mail-Adresse",
            "courriel",
            "Adresse électronique",
        ):
            with self.subTest(heading):
                self.assertEqual(
                    recipients(f"boss;{heading}\nb@x.org;a@x.org"), [{"boss": "b@x.org", "email": "a@x.org"}]
                )

    def test_under_another_heading_it_is_known_by_what_stands_there(self):
        self.assertEqual(recipients("no,contact\n1,a@x.org\n2,nobody"), [{"email": "a@x.org", "no": "1"}, None])
        self.assertEqual(recipients("adresse,kontakt\nMainz,a@x.org")[0], {"email": "a@x.org", "adresse": "Mainz"})
        self.assertEqual(recipients("adresse\na@x.org"), [{"email": "a@x.org"}])

    def test_where_it_is_not_clear_the_fix_is_named(self):
        for text, fix in (
            ("email,e-mail\na@x.org,b@x.org", "Several columns"),
            ("one,two\na@x.org,b@x.org", "Several columns"),
            ("one,two\n1,2", "call the one with them “email”"),
            ("a@x.org\nb@x.org", "must name the columns"),
            ("Ann <a@x.org>,email\n1,b@x.org", "must name the columns"),
            ("email,name", "nothing below"),
            ('email,"name\n' + "a@x.org\n" * 100, "cannot be read"),
            (",".join(["email"] + ["x"] * 300) + "\na@x.org", "301 columns"),
        ):
            with self.subTest(text[:30]), self.assertRaises(InvalidFile) as caught:
                sheet(text)
            self.assertIn(fix, str(caught.exception))

    def test_the_other_columns_get_names_that_templates_can_write(self):
        headings = [
            "email",
            "First name",
            "first-name",
            "Prénom",
            "2024",
            "in",
            "",
            "__class__",
            "Name",
            "Unsubscribe URL",
        ]
        found = sheet(",".join(headings) + "\na@x.org")
        self.assertEqual(
            [column.name for column in found.columns[:-1]],
            [
                "email",
                "first_name",
                "first_name_2",
                "prénom",
                "column_2024",
                "column_in",
                "column_7",
                "class",
                "name",
            ],
        )
        self.assertEqual(found.columns[-1].name, "unsubscribe_url_2")
        self.assertEqual([column.heading for column in found.columns], headings)
        self.assertIn("unsubscribe_url", found.notices[0])

    @FEW
    @given(st.lists(st.text(st.characters(exclude_characters='",;\t\r\n\0', exclude_categories=["Cs"])), max_size=6))
    def test_any_heading_becomes_a_name_of_its_own_that_a_template_finds(self, headings):
        text = ";".join(["email", *(f"{heading} x" for heading in headings)]) + "\na@x.org" + ";value" * len(headings)
        found = sheet(text)
        names = [column.name for column in found.columns]
        self.assertEqual(len(set(names)), len(names))
        [line] = found
        context = new_context(dict(line.recipient or {}))
        for name in names[1:]:
            self.assertEqual(parse("{% if " + name + " %}{{ " + name + " }}{% endif %}").render(context), "value")


class RecipientTests(SimpleTestCase):
    def test_each_line_is_a_recipient_or_says_why_not(self):
        lines = list(
            sheet(
                "email,name,city\n"
                'Ann@Example.org,"Ann, the first",Mainz\n'
                "\n"
                " , ,\n"
                ",Bo,Berlin\n"
                "nobody,Cy,\n"
                "d@x.org,Di,Bonn,more\n"
                "e@x.org,Eve\n"
                "f@x.org,Flo,Köln,,\n"
                '"Gus, G." <g@x.org>,,\n'
                "a@example.org\n"
            )
        )
        self.assertEqual(
            [(line.number, line.recipient) for line in lines],
            [
                (2, {"email": "Ann@Example.org", "name": "Ann, the first", "city": "Mainz"}),
                (5, None),
                (6, None),
                (7, None),
                (8, {"email": "e@x.org", "name": "Eve"}),
                (9, {"email": "f@x.org", "name": "Flo", "city": "Köln"}),
                (10, {"email": "g@x.org", "name": "Gus, G."}),
                (11, {"email": "a@example.org"}),
            ],
        )
        self.assertIn("no address", lines[1].reason)
        self.assertIn("not an address", lines[2].reason)
        self.assertIn("more cells", lines[3].reason)
        self.assertEqual(lines[3].cells, ["d@x.org", "Di", "Bonn", "more"])

    def test_a_mark_that_is_not_closed_costs_one_line_and_not_the_rest(self):
        for rest in (3, MAX_LINES_IN_ROW * 3):
            lines = list(sheet('email,n\n"a@x.org,1\n' + "b@x.org,2\n" * rest))
            self.assertIn("quotation mark", lines[0].reason)
            self.assertEqual(lines[0].cells, ['"a@x.org,1'])
            self.assertEqual([line.number for line in lines], list(range(2, rest + 3)))
            self.assertTrue(all(line.recipient for line in lines[1:]))

    def test_a_cell_may_have_several_lines(self):
        lines = list(sheet('email,n\n"a@x.org","one\r\ntwo ""and"" three"\nb@x.org,4'))
        self.assertEqual(lines[0].recipient, {"email": "a@x.org", "n": 'one\ntwo "and" three'})
        self.assertEqual(lines[1].number, 4)

    def test_what_is_read_is_what_the_queue_reads_again(self):
        found = [line.recipient for line in sheet('email,name,n\nA@x.org,"X, ""Y""",{\nb@x.org,,"1\n2"')]
        text = format_recipients(recipient for recipient in found if recipient)
        again = [parse_recipient(entry) for entry, _ in iter_recipients(text)]
        self.assertEqual([(r.spelled or r.address, r.name) for r in again], [("A@x.org", 'X, "Y"'), ("b@x.org", "")])
        self.assertEqual([r.merge.get("n") for r in again], ["{", "1\n2"])

    @FEW
    @given(TEXTS | st.text() | st.binary(), st.booleans())
    def test_any_file_is_read_to_its_last_line_or_refused(self, content, headed):
        data = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
        try:
            found = sheet(b"email,x\n" + data if headed else data)
        except InvalidFile as error:
            self.assertGreater(len(str(error)), 10)
            return
        lines = list(found)
        self.assertEqual(found.accepted + found.rejected, len(lines))
        for line in lines:
            self.assertEqual(line.recipient is None, bool(line.reason))
            if line.recipient:
                parse_recipient(line.recipient)

    @FEW
    @given(TEXTS)
    def test_no_character_of_a_file_is_lost(self, text):
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        found = sheet("email,x\na@x.org,\n" + text)
        lines = list(found)
        below = list(rows(text.removesuffix("\n").split("\n"), ","))
        self.assertEqual(found.accepted + found.rejected + found.blank, 1 + (len(below) if text else 0))
        kept = "".join(cell for line in lines[1:] for cell in line.cells)
        for character in "aéx=":
            self.assertEqual(kept.count(character), text.count(character))

    def test_a_large_file_takes_no_large_memory(self):
        few, many = (
            ("email,name,n\n" + "".join(f"reader{n}@example.org,Ann,{n}\n" for n in range(count))).encode()
            for count in (1_000, 100_000)
        )
        peaks = []
        for data in (few, few, many):
            file = io.BytesIO(data)
            tracemalloc.start()
            found = RecipientSheet(file)
            self.assertEqual(sum(1 for _ in found), data.count(b"\n") - 1)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        self.assertLess(peaks[2], peaks[1] + 500_000)


class RowTests(SimpleTestCase):
    @FEW
    @given(TEXTS, st.sampled_from(",;\t"))
    def test_rows_are_those_of_the_csv_module_where_all_marks_are_closed(self, text, delimiter):
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        found = list(rows(text.split("\n"), delimiter))
        if not any(row.problem for row in found):
            known = list(csv.reader(io.StringIO(text), delimiter=delimiter))
            self.assertEqual(
                [row.cells for row in found if row.cells != [""]], [row for row in known if row and row != [""]]
            )

    def test_marks_that_stay_open_again_and_again_end(self):
        lines = ['a"b,"c'] * 5_000
        self.assertEqual([row.line for row in rows(lines, ",")], list(range(1, 5_001)))


class WritingTests(SimpleTestCase):
    def cells(self, *values: object) -> list[str]:
        [row] = csv.reader(io.StringIO("".join(csv_text([values]))))
        return row

    def test_no_cell_begins_a_formula(self):
        hostile = [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            " =1",
            "\xa0=1",
            "＝1",
            "＋1",
            "－1",
            "＠x",
            "\0=1",
            "'=1",
            "\x01=1",
        ]
        for cell, value in zip(self.cells(*hostile), hostile, strict=True):
            with self.subTest(value):
                self.assertTrue(cell.startswith("'"))

    def test_harmless_cells_are_as_they_were_and_numbers_stay_numbers(self):
        self.assertEqual(
            self.cells("Ann", "a-b", "'s Gravenhage", -3, 2.5, None, ""),
            ["Ann", "a-b", "'s Gravenhage", "-3", "2.5", "", ""],
        )

    def test_a_value_stays_in_its_cell(self):
        hostile = 'x","=1+1","\r\n=2\n"'
        self.assertEqual(self.cells("a", hostile, "b"), ["a", hostile, "b"])
        self.assertTrue("".join(csv_text([["a", hostile]])).startswith('"a",'))

    @FEW
    @given(
        st.text(st.sampled_from("'=+-@ ＝\ta\n"))
        | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
    )
    def test_what_was_made_harmless_can_be_read_again(self, value):
        [cell] = self.cells(value)
        self.assertEqual(as_written(cell), value)
        self.assertNotIn(cell[:1], tuple("=+-@＝＋－＠\t\r\n"))

    def test_excel_is_told_the_encoding_and_the_file_comes_in_pieces(self):
        pieces = list(csv_bytes([f"{n}é"] for n in range(2_000)))
        self.assertTrue(pieces[0].startswith(BOM))
        self.assertGreater(len(pieces), 3)
        self.assertEqual(len(b"".join(pieces).decode("utf-8-sig").splitlines()), 2_000)
        self.assertEqual(list(csv_bytes([["\ud800"]]))[1], b'"?"\r\n')

    def test_an_export_can_be_imported(self):
        data = b"".join(csv_bytes([["email", "note"], ["+a@x.org", "=1"], ["'b@x.org", "'-"]]))
        self.assertEqual(recipients(data), [{"email": "+a@x.org", "note": "=1"}, {"email": "'b@x.org", "note": "'-"}])
