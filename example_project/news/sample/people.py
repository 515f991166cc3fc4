"""
The sample subscribers: the same people in the same order at every run.

Most of them have addresses as everybody has. The rest is what a real list contains as well, each group at an
address by which it can be told: odd but valid ones, the same person twice, typing errors, people who have
unsubscribed, and two providers that the local SMTP server (`local_smtp.py`) treats unkindly.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

#: language → (first names, last names)
NAMES = {
    "cs": ("Jiří Tereza Žofie Matěj Kateřina", "Dvořák Nováková Šťastný Procházka"),
    "da": ("Søren Mette Bjørk Rasmus", "Kjær Østergaard Holm Nygård"),
    "de": ("Jürgen Käthe Björn Anneliese Jörg", "Weiß Müller Schröder Vogelsang"),
    "el": ("Γιώργος Ελένη Νίκος Δήμητρα", "Papadopoulos Ioannou Vlachos Nikolaidis"),
    "en": ("Amelia Oliver Poppy Callum Zoë Ffion", "O'Neil Smith-Jones Fletcher Wright"),
    "es": ("José Lucía Íñigo Begoña Martín", "Muñoz Ibáñez Peña García"),
    "et": ("Siiri Jüri Õnne Tõnu", "Mägi Põld Kask Rebane"),
    "fr": ("Anaïs François Zélie Jérôme Maëlle", "Lefèvre Girard Béranger D'Aubigné"),
    "hu": ("Ágnes Gergő Zsófia Bálint", "Horváth Kovács Szőke Varga"),
    "is": ("Þórdís Björk Guðmundur Ásta", "Jónsdóttir Helgason Einarsdóttir"),
    "ja": ("美咲 陽斗 さくら 健太", "Tanaka Suzuki Kobayashi Yamamoto"),
    "pl": ("Łukasz Małgorzata Świętosława Paweł", "Zieliński Wójcik Dąbrowska Król"),
    "pt": ("João Inês Conceição Vasco", "Magalhães Simões Araújo"),
    "tr": ("Mehmet Ayşe Gülşen Emre Çağla", "Yıldız Öztürk Şahin"),
    "uk": ("Дмитро Олена Соломія Тарас", "Shevchenko Kovalenko Bondar"),
    "vi": ("Nguyễn Thảo Đức Phương", "Tran Pham Hoang Le"),
    "yo": ("Ngozi Adébáyọ̀ Títílayọ̀ Chidi", "Okafor Adeyemi Balogun"),
}

PROVIDERS = ["example.org", "example.com", "example.net", "mail.example.org", "post.example.com"]

#: Refused at the first try, accepted at the second: greylisting.
BUSY_PROVIDER = "busy.example"
#: Refused for good: nobody lives there any more.
GONE_PROVIDER = "gone.example"

#: Valid, although one would not think so.
ODD = [
    ("Käthe", "kaethe@bücher.example"),
    ("美咲", "misaki@例え.example"),
    ("Zoë", "zoë.fletcher@example.org"),
    ("Seán", "sean.o'brien@example.net"),
    ("Inês", "ines+courant+weekly@example.com"),
    ("Anneliese", "a.very.long.local.part.that.still.fits.in.sixty.four.characters@example.com"),
    ("Ffion", "ffion_and-family@a.very.deep.sub.domain.example.org"),
    ("", "somebody.without.a.name@example.org"),
    ('<b>Bobby</b> & "Co"', "bobby.tags@example.org"),
]

#: What people type when they are in a hurry. Nothing of it is an address.
INVALID = [
    ("Poppy", "poppy.at.example.org"),
    ("Paweł", "pawel@@example.com"),
    ("Mette", "mette holm@example.org"),
    ("Emre", "emre.@example.net"),
    ("Lucía", "lucia@"),
    ("Tõnu", "tonu@example..org"),
]

#: People who have asked not to be written to.
UNSUBSCRIBED = [("Jérôme", f"jerome.{number}@quiet.example") for number in range(1, 9)]


class Person(NamedTuple):
    first_name: str
    last_name: str
    email: str
    language: str = "en"
    active: bool = True


def people(count: int) -> Iterator[Person]:
    """`count` active subscribers, and a few more who are not active. The first hundred hold every special case."""
    special = list(_special_people(count))
    yield from special
    yield from _ordinary_people(count - len(special))
    for number in range(1, 6):
        yield Person("Moved", "Away", f"moved.away.{number}@example.org", active=False)


def _special_people(count: int) -> Iterator[Person]:
    for first_name, email in [*ODD, *INVALID, *UNSUBSCRIBED]:
        yield Person(first_name, "", email)
    for number in range(1, max(count // 200, 5) + 1):
        yield Person("Busy", f"Person {number}", f"busy.person.{number}@{BUSY_PROVIDER}")
    for number in range(1, max(count // 400, 3) + 1):
        yield Person("Gone", f"Person {number}", f"gone.person.{number}@{GONE_PROVIDER}")
    for twin in _ordinary_people(max(count // 500, 4)):
        yield twin._replace(email=twin.email.replace("@", ".TWICE@").title())
        yield twin._replace(email=twin.email.replace("@", ".twice@"))


def _ordinary_people(count: int) -> Iterator[Person]:
    chance = random.Random(1871)
    for number in range(1, count + 1):
        language = chance.choice(list(NAMES))
        firsts, lasts = NAMES[language]
        first, last = chance.choice(firsts.split()), chance.choice(lasts.split())
        local = f"{_ascii(first) or 'reader'}.{_ascii(last)}.{number}".lower()
        yield Person(first, last, f"{local}@{chance.choice(PROVIDERS)}", language)


def _ascii(name: str) -> str:
    """The plain letters of a name, as they would stand in an address."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in plain if letter.isascii() and letter.isalpha())
