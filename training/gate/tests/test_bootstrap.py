from collections.abc import Sequence
from random import Random
from statistics import fmean

from training.gate.bootstrap import RESAMPLES, bootstrap, central, quantile, wilson


def test_of_one_group_tasks_are_drawn_with_replacement() -> None:
    differences = [0.5, -0.25, 0.0, 1.0, -1.0]
    rng = Random(4)
    means = sorted(fmean(rng.choices(differences, k=5)) for _ in range(RESAMPLES))
    assert bootstrap([differences], fmean, rng=Random(4)) == means


def test_of_several_groups_the_same_tasks_are_drawn_from_each_group_drawn() -> None:
    seen = []

    def figure(outcomes: Sequence[tuple[str, int]]) -> float:
        seen.append(outcomes)
        return 0.0

    groups = [[(name, task) for task in range(4)] for name in "abc"]
    bootstrap(groups, figure, rng=Random(1))
    assert all(len(outcomes) == 12 for outcomes in seen)
    for outcomes in seen:
        tasks = {tuple(task for _, task in outcomes[at : at + 4]) for at in (0, 4, 8)}
        assert len(tasks) == 1
    assert any(len({name for name, _ in outcomes}) < 3 for outcomes in seen)
    assert any(len({task for _, task in outcomes}) < 4 for outcomes in seen)


def test_a_quantile_has_its_share_of_the_values_below_it() -> None:
    ordered = [float(value) for value in range(100)]
    assert [quantile(ordered, share) for share in (0.0, 0.25, 0.5, 0.99)] == [0, 25, 50, 99]


def test_an_interval_leaves_as_many_values_out_below_as_above() -> None:
    ordered = [float(value) for value in range(RESAMPLES)]
    assert central(ordered, 0.95) == (50, RESAMPLES - 51)


def test_an_interval_holds_its_share_and_narrows() -> None:
    assert wilson(1.0, 40)[1] == 1.0
    few, many = wilson(0.6, 10), wilson(0.6, 1000)
    assert few[0] < many[0] < 0.6 < many[1] < few[1]
