import pytest

from arena.environments import ENVIRONMENTS
from arena.environments.arithmetic.family import Arithmetic
from arena.environments.base import Environment, UnknownEnvironment
from arena.environments.registry import Registry


def make_registry() -> Registry:
    registry = Registry()
    registry.add(Arithmetic())
    registry.add_family("sums", small_sums, names=["small", "large"])
    return registry


def small_sums(name: str) -> Environment:
    if name != "small":
        raise UnknownEnvironment(f"There are no {name} sums.")
    return Arithmetic()


def test_a_family_is_made_once_and_is_not_in_the_list() -> None:
    registry = make_registry()
    assert registry["sums/small"] is registry["sums/small"]
    assert list(registry) == ["arithmetic"]
    assert len(registry) == 1


def test_two_environments_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two environments 'arithmetic'"):
        make_registry().add(Arithmetic())


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (
            "arithmetics",
            "There is no environment 'arithmetics' on this installation. Do you mean arithmetic?",
        ),
        ("small", "There is no environment 'small' on this installation. Do you mean sums/small?"),
        (
            "suns/smal",
            "There is no environment 'suns/smal' on this installation. Do you mean sums/small?",
        ),
        ("sums/large", "There are no large sums."),
        ("sums/", "There is no environment 'sums/' on this installation."),
        (
            "xyzzy",
            "There is no environment 'xyzzy' on this installation. Choose one of arithmetic, sums/NAME.",
        ),
        (
            "",
            "There is no environment '' on this installation. Choose one of arithmetic, sums/NAME.",
        ),
    ],
)
def test_an_unknown_name_gets_a_sentence_with_what_is_near(key: str, sentence: str) -> None:
    registry = make_registry()
    assert registry.problem_with(key).startswith(sentence)
    assert key not in registry
    assert registry.get(key) is None


def test_what_exists_has_no_problem() -> None:
    assert not any(ENVIRONMENTS.problem_with(key) for key in (*ENVIRONMENTS, "reasoning/aiw"))
