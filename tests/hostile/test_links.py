"""The link to unsubscribe, in the hands of somebody who would like to unsubscribe others."""

from __future__ import annotations

from urllib.parse import quote

from django.test import override_settings, tag
from django.urls import reverse
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from courant_mail.exceptions import BadToken
from courant_mail.models import Suppression
from courant_mail.queue.suppress import lift
from courant_mail.tokens import make_token, read_token
from tests.examples import examples

from . import odd

TOKENS = [make_token("ann@example.org", 7), make_token("bo@example.org", 8), make_token("jörg@bücher.example", 9)]


@tag("hostile")
@override_settings(ALLOWED_HOSTS=["testserver"])
class LinkTests(TestCase):
    def unsubscribe(self, token: str) -> int:
        url = reverse("courant_mail:unsubscribe", args=["TOKEN"]).replace("TOKEN", quote(token, errors="replace"))
        return self.client.post(url, {"List-Unsubscribe": "One-Click"}).status_code

    @examples(100)
    @given(odd.texts | odd.any_text | st.text("abcXYZ019-_.=", max_size=80))
    @example("a" * 50_000)
    @example(".")
    @example("\ud800.\ud800")
    def test_what_this_site_did_not_make_unsubscribes_nobody(self, token: str) -> None:
        with self.assertRaises(BadToken):
            read_token(token)
        self.assertEqual(self.unsubscribe(token), 404)
        self.assertFalse(Suppression.objects.exists())

    @examples(100)
    @given(st.sampled_from(TOKENS), st.sampled_from(TOKENS), st.data())
    def test_parts_of_good_tokens_make_no_other_good_one(self, one: str, two: str, data: st.DataObject) -> None:
        cut = data.draw(st.integers(0, len(one)))
        forged = one[:cut] + two[data.draw(st.integers(0, len(two))) :]
        payload, _, signature = one.rpartition(".")
        swapped = f"{payload}.{two.rpartition('.')[2]}"
        for token in (forged, swapped, f"{payload}..{signature}", f"{payload}=.{signature}", one[::-1], one.swapcase()):
            if token in TOKENS:
                continue
            with self.assertRaises(BadToken):
                read_token(token)
            self.assertEqual(self.unsubscribe(token), 404)
        self.assertFalse(Suppression.objects.exists())

    def test_a_link_that_is_used_again_and_again_does_no_more_than_once(self) -> None:
        for _ in range(3):
            self.assertEqual(self.unsubscribe(TOKENS[0]), 200)
        self.assertEqual(Suppression.objects.get().address, "ann@example.org")
        lift("ann@example.org")
        self.assertEqual(self.client.get(reverse("courant_mail:unsubscribe", args=[TOKENS[0]])).status_code, 200)
        self.assertFalse(Suppression.objects.exists(), "looking at the page changes nothing")

    def test_whatever_else_is_sent_along_the_link_alone_decides(self) -> None:
        url = reverse("courant_mail:unsubscribe", args=[TOKENS[0]])
        for more in ({"address": "bo@example.org"}, {"token": TOKENS[1]}, {"email": "bo@example.org", "scope": "all"}):
            self.client.post(f"{url}?address=bo@example.org&token={TOKENS[1]}", more)
        row = Suppression.objects.get()
        self.assertEqual((row.address, row.scope), ("ann@example.org", "bulk"))

    def test_a_token_is_not_made_for_what_is_no_address(self) -> None:
        for address in ("\ud800@example.org", "nobody", "a@x.org\r\nBcc: b@x.org"):
            try:
                token = make_token(address, 1)
            except UnicodeEncodeError:
                continue
            self.assertEqual(self.unsubscribe(token), 404)
        self.assertFalse(Suppression.objects.exists())
