"""Which names are allowed, and which look alike."""

import unicodedata
from collections.abc import Callable

import pytest

from agents.errors import InvalidName
from agents.names import checked_agent_name, checked_username, name_key

Check = Callable[[str], str]

OF_ANY_SCRIPT = [
    "हिन्दी",
    "Zoe\u0308",
    "O\u2019Brien",
    "O'Brien",
    "Nguyễn",
    "李明",
    "김철수",
    "محمد",
    "שָׁלוֹם",
    "สวัสดี",
    "Σοφία",
    "Нина",
    "Ｒｕｌｅｒ",
    "x" * 30,
    "कि" * 30,
]


@pytest.mark.parametrize("check", [checked_username, checked_agent_name])
@pytest.mark.parametrize("name", OF_ANY_SCRIPT)
def test_names_of_every_script_are_allowed_and_stored_in_one_form(check: Check, name: str) -> None:
    composed = unicodedata.normalize("NFC", name).replace("\u2019", "'")
    assert check(name) == check(unicodedata.normalize("NFD", name)) == composed


@pytest.mark.parametrize("check", [checked_username, checked_agent_name])
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Ru\u200bler", "nobody sees"),
        ("Ru\u202eler", "nobody sees"),
        ("Ru\u2066ler", "nobody sees"),
        ("Ru\u00adler", "nobody sees"),
        ("Ru\x00ler", "nobody sees"),
        ("Ru\ufe0fler", "nobody sees"),
        ("Ru\U000e0041ler", "nobody sees"),
        ("\u3164\u3164\u3164", "nobody sees"),
        ("\ud800ab", "nobody sees"),
        ("\u0301abc", "needs a letter"),
        ("a.\u0301bc", "needs a letter"),
        ("Ru\u0301\u0302\u0303\u0304\u0305\u0306ler", "no letter needs many"),
        ("..-", "a letter or a digit"),
        ("a<b>c", "Use letters"),
        ("🙂🙂🙂", "Use letters"),
        ("x" * 61, "61 characters"),
        ("कि" * 61, "61 characters"),
    ],
)
def test_what_cannot_be_told_apart_or_seen_is_refused(check: Check, name: str, words: str) -> None:
    with pytest.raises(InvalidName, match=words):
        check(name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "at least 2"),
        ("e\u0301", "at least 2"),
        ("x" * 31, "at most 30"),
        ("two words", "Use letters"),
        ("bob@example.org", "email address"),
        ("@bob", "email address"),
        ("admin", "the site's own"),
        ("ADMIN", "the site's own"),
        ("ad.min", "the site's own"),
        ("\u0430dmin", "the site's own"),
        ("\uff41dmin", "the site's own"),
        ("adrnin", "the site's own"),
        ("h\u043euse", "the site's own"),
        ("supp0rt", "the site's own"),
        ("RLFC", "the site's own"),
    ],
)
def test_usernames_of_the_site_and_mail_addresses_are_refused(name: str, words: str) -> None:
    with pytest.raises(InvalidName, match=words):
        checked_username(name)


@pytest.mark.parametrize(
    "other",
    [
        "Rul\u0435r",
        "\uff32\uff55\uff4c\uff45\uff52",
        "RULER",
        "RuIer",
        "Ru1er",
        "\U0001d411uler",
        "ru\u217cer",
    ],
)
def test_names_that_look_like_ruler_have_its_key(other: str) -> None:
    assert name_key(other) == name_key("Ruler")


def test_names_that_look_otherwise_have_keys_of_their_own() -> None:
    names = [*OF_ANY_SCRIPT, "Ruler 2", "Rüler", "Ru ler", "Nino", "Hindi", *map(str, range(200))]
    different = {unicodedata.normalize("NFC", name).replace("\u2019", "'") for name in names}
    assert len({name_key(name) for name in names}) == len(different)
    assert name_key("modern") == name_key("rnodern")


def test_a_key_stays_as_it_is_when_it_is_made_again() -> None:
    for name in [*OF_ANY_SCRIPT, "Rul\u0435r", "日月", "Iris"]:
        assert name_key(name_key(name)) == name_key(name)
