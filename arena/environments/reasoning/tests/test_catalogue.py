"""The catalogue holds for the installed reasoning-gym: what is offered is fit, and nothing is forgotten."""

import random
import re
import subprocess
import sys
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from arena.environments import ENVIRONMENTS
from arena.environments.base import UnknownEnvironment
from arena.environments.reasoning.catalogue import OFFERS, REFUSED
from arena.environments.reasoning.family import family
from arena.environments.reasoning.library import make_item

MAX_NAME = 40  # Space.environment
# Hashes of all items would take long; these make every family and level at another place.
ITEMS = [(offer.name, level) for offer in OFFERS.values() for level in range(offer.level_count)]


def package() -> Path:
    spec = find_spec("reasoning_gym")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def registered() -> set[str]:
    """Names of the library's families, from its source."""
    found = {"composite"}
    for path in package().rglob("*.py"):
        found.update(re.findall(r'^DATASET_NAME = "(\w+)"', path.read_text(), re.MULTILINE))
    return found


def digest() -> str:
    """Of one item of each family and level."""
    whole = sha256()
    for number, (name, level) in enumerate(ITEMS):
        item = make_item(OFFERS[name].module, name, level, 7919 * number)
        whole.update(f"{item.question}\n{item.answer}".encode())
    return whole.hexdigest()


def test_every_family_of_the_library_is_offered_or_refused_with_a_reason() -> None:
    assert {*OFFERS, *REFUSED} == registered()
    assert not OFFERS.keys() & REFUSED.keys()
    assert len(OFFERS) > 50
    assert len({offer.group for offer in OFFERS.values()}) >= 8


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_family_says_why(name: str) -> None:
    with pytest.raises(
        UnknownEnvironment, match=rf"^reasoning-gym's {name} is not offered: \w.*\.$"
    ):
        family(name)


def test_a_package_that_is_said_to_be_missing_is_missing() -> None:
    for why in REFUSED.values():
        if package_name := re.search(r"needs the package (\w+)", why):
            assert find_spec(package_name[1]) is None


@pytest.mark.parametrize("name", OFFERS)
def test_a_family_makes_the_same_item_without_any_global_random_source(name: str) -> None:
    offer = OFFERS[name]
    before = random.getstate(), repr(np.random.get_state())
    items = [make_item(offer.module, name, level, 5) for level in range(offer.level_count)]
    assert (random.getstate(), repr(np.random.get_state())) == before
    for level, item in enumerate(items):
        make_item(offer.module, name, level, 6)
        again = make_item(offer.module, name, level, 5)
        assert (again.question, again.answer) == (item.question, item.answer)
        assert item.dataset.score_answer(item.answer, item.entry) == 1.0


def test_another_process_with_other_hashes_makes_the_same_items() -> None:
    code = "from arena.environments.reasoning.tests.test_catalogue import digest; print(digest())"
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == digest()


def test_environments_load_neither_the_library_nor_anything_heavy() -> None:
    code = (
        "import sys, arena.environments as e; e.ENVIRONMENTS['reasoning/chain_sum'];"
        "print(*(set(sys.modules) & {'reasoning_gym', 'sympy', 'numpy', 'torch', 'transformers'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_a_family_of_small_sums_loads_only_what_it_needs() -> None:
    code = (
        "import sys; from arena.environments.reasoning.library import make_item;"
        "make_item('arithmetic.chain_sum', 'chain_sum', 0, 1);"
        "print(*(set(sys.modules) & {'sympy', 'numpy', 'pytz'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_every_key_fits_into_a_space() -> None:
    assert max(len(f"reasoning/{name}") for name in OFFERS) <= MAX_NAME
    assert all(f"reasoning/{name}" in ENVIRONMENTS for name in OFFERS)
    assert not any(key.startswith("reasoning/") for key in ENVIRONMENTS)
