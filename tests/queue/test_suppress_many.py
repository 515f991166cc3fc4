"""Suppressing lists of addresses, also several at once, and lifting many."""

from __future__ import annotations

from django.test import TestCase, TransactionTestCase

from courant_mail.choices import Scope
from courant_mail.models import Suppression
from courant_mail.queue.suppress import suppress
from courant_mail.queue.suppress_many import Tally, Wanted, lift_many, suppress_many

from .test_concurrency import at_once


def stored() -> set[tuple[str, str, str, str]]:
    return set(Suppression.objects.values_list("address", "scope", "reason", "source"))


class SuppressManyTests(TestCase):
    def test_each_address_is_suppressed_once_for_the_widest_that_is_wished(self) -> None:
        tally = suppress_many(
            [
                Wanted("b@x.org", Scope.BULK, "one"),
                Wanted("a@x.org", Scope.BULK, "one"),
                Wanted("b@x.org", Scope.ALL, "two"),
                Wanted("b@x.org", Scope.BULK, "three"),
            ],
            source="list",
        )
        self.assertEqual(stored(), {("a@x.org", "bulk", "one", "list"), ("b@x.org", "all", "two", "list")})
        self.assertEqual(tally, Tally(added=2, widened=0, known=2))

    def test_it_comes_to_the_same_over_several_transactions(self) -> None:
        many = [Wanted(f"a{n % 700}@x.org", Scope.ALL if n >= 700 else Scope.BULK, f"{n // 700}") for n in range(1400)]
        tally = suppress_many(many)
        self.assertEqual(tally.added, 700)
        self.assertEqual({row[1:3] for row in stored()}, {("all", "1")})
        self.assertEqual(suppress_many(many), Tally(known=1400))

    def test_what_is_known_keeps_its_reason_unless_more_is_wished(self) -> None:
        suppress("a@x.org", reason="first")
        suppress("b@x.org", reason="first", scope=Scope.ALL)
        suppress("c@x.org", reason="first")
        tally = suppress_many(Wanted(f"{name}@x.org", Scope.ALL, "second") for name in "ab")
        self.assertEqual(tally, Tally(widened=1, known=1))
        suppress_many([Wanted("c@x.org", Scope.BULK, "second")])
        self.assertEqual(
            {row[:3] for row in stored()},
            {
                ("a@x.org", "all", "second"),
                ("b@x.org", "all", "first"),
                ("c@x.org", "bulk", "first"),
            },
        )

    def test_many_are_lifted(self) -> None:
        suppress_many(Wanted(f"a{n}@x.org") for n in range(1200))
        self.assertEqual(lift_many([*(f"a{n}@x.org" for n in range(1199)), "nobody@x.org"]), 1199)
        self.assertEqual(Suppression.objects.get().address, "a1199@x.org")


class ManyAtOnceTests(TransactionTestCase):
    def test_two_lists_at_the_same_time_lose_nothing(self) -> None:
        def bulk() -> Tally:
            return suppress_many(Wanted(f"a{n}@x.org", Scope.BULK, "bulk") for n in range(1500))

        def everything() -> Tally:
            return suppress_many(Wanted(f"a{n}@x.org", Scope.ALL, "all") for n in reversed(range(500, 2000)))

        at_once(bulk, everything)
        found = {address: scope for address, scope, *_ in stored()}
        self.assertEqual(len(found), 2000)
        self.assertEqual({found[f"a{n}@x.org"] for n in range(500)}, {"bulk"})
        self.assertEqual({found[f"a{n}@x.org"] for n in range(500, 2000)}, {"all"})
