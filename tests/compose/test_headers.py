from __future__ import annotations

from django.test import SimpleTestCase
from hypothesis import example, given, settings
from hypothesis import strategies as st

from courant_mail.exceptions import InvalidAddress, InvalidMail

from .letters import letter, read, to


class AddressTests(SimpleTestCase):
    def test_names_and_addresses_outside_ascii(self):
        data = letter(
            from_email="Zeitung für München <Redaktion@münchen.example>", reply_to="a@x.org, Ö <b@x.org>"
        ).render(to("ann@bücher.example", "Zoë"))
        message = read(data)
        self.assertEqual(message["To"].addresses[0].display_name, "Zoë")
        self.assertEqual(message["To"].addresses[0].addr_spec, "ann@xn--bcher-kva.example")
        self.assertEqual(message["From"].addresses[0].display_name, "Zeitung für München")
        self.assertEqual([str(one) for one in message["Reply-To"].addresses], ["a@x.org", "Ö <b@x.org>"])
        self.assertTrue(data.isascii())

    def test_a_local_part_outside_ascii_stands_in_utf_8(self):
        data = letter().render(to("zoë@bücher.example", "Zoë"))
        self.assertIn("<zoë@bücher.example>".encode(), data)

    def test_the_envelope_sender_is_the_address_of_from(self):
        self.assertEqual(letter(from_email="É <Ed@münchen.example>").mail_from, "Ed@xn--mnchen-3ya.example")

    def test_names_with_specials_are_quoted(self):
        for name in ('Smith, Ann "A" \\', "a@b", "(x)", "=?utf-8?q?x?=", "x" * 90):
            found = read(letter().render(to(name=name)))["To"].addresses[0]
            self.assertEqual(found.addr_spec, "ann@example.org")
            if "=?" not in name:
                self.assertEqual(found.display_name, name)

    def test_what_is_no_sender_is_refused(self):
        for sender in ("", "editors", "a@x.org, b@x.org", "a@x.org\r\nBcc: b@x.org"):
            with self.subTest(sender=sender), self.assertRaisesMessage(InvalidMail, "from: "):
                letter(from_email=sender)
        with self.assertRaisesMessage(InvalidMail, "reply-to: "):
            letter(reply_to="a@x.org, nobody")

    @settings(max_examples=60, deadline=None)
    @given(st.text(max_size=60))
    @example("\r0")
    def test_no_address_adds_a_field(self, text):
        try:
            data = letter().render(to(f"{text}@example.org"))
        except InvalidAddress:
            return
        self.assertEqual(len(read(data)["To"].addresses), 1)
        self.assertEqual(read(data)["Bcc"], None)


class SubjectTests(SimpleTestCase):
    def test_a_line_break_in_the_words_is_refused_and_one_in_a_value_becomes_a_space(self):
        with self.assertRaisesMessage(InvalidMail, "subject: "):
            letter(subject="Hello\r\nBcc: x@example.org")
        data = letter(subject="Hello {{ x }}").render(to(x="Ann\r\nBcc: x@example.org"))
        self.assertEqual(read(data)["Subject"], "Hello Ann Bcc: x@example.org")
        self.assertIsNone(read(data)["Bcc"])

    def test_the_ends_are_trimmed(self):
        self.assertEqual(read(letter(subject="\n Hello \n").render(to()))["Subject"], "Hello")

    def test_a_subject_is_not_escaped(self):
        self.assertEqual(read(letter(subject="{{ x }}").render(to(x="A & B's")))["Subject"], "A & B's")

    def test_an_endless_subject_is_refused(self):
        with self.assertRaisesMessage(InvalidMail, "subject: "):
            letter(subject="x" * 1000)
        with self.assertRaisesMessage(InvalidMail, "subject: "):
            letter(subject="{{ x }}").render(to(x="x" * 1000))


class CustomTests(SimpleTestCase):
    def test_own_fields_arrive(self):
        given_ = {
            "X-Campaign": "spring",
            "X-Long": "a few words " * 20,
            "X-Umlaut": "für " * 40,
            "X-Token": "t" * 500,
            "Sender": "Bö <b@x.org>",
            "X-Double": "a  b" * 30,
            "Precedence": "list",
        }
        message = read(letter(headers=given_).render(to()))
        for name in set(given_) - {"Sender"}:
            self.assertEqual(str(message[name]), given_[name].strip(), name)
        self.assertEqual(message["Sender"].address.display_name, "Bö")

    def test_the_fields_of_the_mail_itself_cannot_be_replaced(self):
        for name in (
            "From",
            "TO",
            "cc",
            "Bcc",
            "Subject",
            "Date",
            "Message-ID",
            "Reply-To",
            "MIME-Version",
            "Return-Path",
            "Content-Type",
            "content-transfer-encoding",
            "Resent-To",
            "List-Unsubscribe",
        ):
            with self.subTest(name=name), self.assertRaisesMessage(InvalidMail, "cannot be set here"):
                letter(headers={name: "x"})

    def test_mail_that_is_not_bulk_may_bring_its_own_list_unsubscribe(self):
        data = letter(headers={"List-Unsubscribe": "<mailto:x@x.org>"}, bulk=False).render(
            to(unsubscribe_url="https://x.org/")
        )
        self.assertEqual(read(data).get_all("List-Unsubscribe"), ["<mailto:x@x.org>"])
        self.assertIsNone(read(data)["Precedence"])

    def test_nothing_is_smuggled_in(self):
        for headers in (
            {"X-A": "a\r\nBcc: b@x.org"},
            {"X-A": "a\nb"},
            {"X-A": "a\rb"},
            {"X-A": "a\x00b"},
            {"X-A": "a\x85b"},
            {"X-A": "a\u2028b"},
            {"X-A\r\nBcc": "b@x.org"},
            {"X A": "b"},
            {"X:A": "b"},
            {"": "b"},
            {"Ü": "b"},
        ):
            with self.subTest(headers=headers), self.assertRaisesMessage(InvalidMail, "headers"):
                letter(headers=headers)


class UnsubscribeTests(SimpleTestCase):
    def test_bulk_mail_carries_both_fields(self):
        message = read(letter().render(to(unsubscribe_url="https://x.example/u/abc")))
        self.assertEqual(message["List-Unsubscribe"], "<https://x.example/u/abc>")
        self.assertEqual(message["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click")

    def test_without_a_link_there_is_no_field(self):
        self.assertIsNone(read(letter().render(to()))["List-Unsubscribe"])

    def test_what_is_no_link_or_message_id_is_refused(self):
        for given_ in (
            {"unsubscribe_url": "https://x.example/> <y"},
            {"unsubscribe_url": "javascript:x"},
            {"unsubscribe_url": "https://x.example/\r\nBcc: x"},
            {"message_id": "1@x"},
            {"message_id": "<1@x>\r\nBcc: x"},
        ):
            with self.subTest(given=given_), self.assertRaises(InvalidMail):
                letter().render(to(**given_))
