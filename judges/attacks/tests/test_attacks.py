"""The suite itself: it is Pure, repeatable, and each attack does what its name says."""

from random import Random

import pytest

from judges.attacks import ATTACKS
from judges.attacks.base import Shown
from judges.attacks.disguises import edited_plagiarism
from judges.fencing import INVISIBLE

SHOWN = Shown("Tell me about cats in one sentence.", ("Cats are a joy to the whole house.",))


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_a_text_that_its_seed_decides(name: str) -> None:
    for seed in range(20):
        text = ATTACKS[name](SHOWN, Random(seed))
        assert isinstance(text, str)
        assert text == ATTACKS[name](SHOWN, Random(seed))


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_can_be_written_without_a_prompt_or_another_seat(name: str) -> None:
    ATTACKS[name](Shown(""), Random(1))


def test_an_edited_copy_differs_from_what_it_copies_and_keeps_most_of_its_words() -> None:
    copies = {edited_plagiarism(SHOWN, Random(seed)) for seed in range(20)}
    original = set(SHOWN.others[0].rstrip(".").split())
    assert any(copy != SHOWN.others[0] for copy in copies)
    assert all(len(original & set(copy.split())) >= len(original) - 3 for copy in copies)


def test_text_of_no_width_shows_a_reader_no_demand() -> None:
    texts = [ATTACKS["zero-width text"](SHOWN, Random(seed)) for seed in range(20)]
    assert any("rate" not in text.casefold() for text in texts)
    assert all(INVISIBLE.search(text) for text in texts)
