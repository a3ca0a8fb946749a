"""What a pair says of length: both answers, and how far its judges preferred long ones then."""

import pytest
from django.utils import timezone

from judges.models import CalibrationPoint, Judge
from training.data.harvest import harvest_matches
from training.data.lengths import MIN_PAIRS, LengthBias, LengthBiases, longer_share_bias
from training.data.pair_dataset import export_pairs
from training.models import Pair
from training.tests.builders import make_agent, make_match, make_space

pytestmark = pytest.mark.django_db


def test_a_pair_carries_the_tokens_of_both_answers_and_its_export_row_too() -> None:
    agent, rival, space = make_agent(), make_agent(), make_space()
    make_match([agent, rival], [{0: 0.9, 1: 0.2}], space=space)
    harvest_matches()
    pair = Pair.objects.get(agent=agent)
    lengths = (len(pair.chosen.token_ids), len(pair.rejected.token_ids))
    assert (pair.chosen_length, pair.rejected_length) == lengths
    assert lengths[0] > 0
    (row,) = export_pairs(agent.pk, viewer=agent.owner_id)
    assert (row["chosen_length"], row["rejected_length"]) == lengths
    assert (row["length_bias"], row["length_bias_pairs"]) == (0.0, 0)


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([(9, 5)] * (MIN_PAIRS - 1), LengthBias()),
        ([(9, 5)] * MIN_PAIRS, LengthBias(0.5, MIN_PAIRS)),
        ([(5, 9)] * 15 + [(9, 5)] * 5 + [(7, 7)] * 50, LengthBias(-0.25, 20)),
    ],
)
def test_without_calibration_the_bias_is_that_of_the_spaces_pairs(
    lengths: list[tuple[int, int]], expected: LengthBias
) -> None:
    assert longer_share_bias(lengths) == expected


def test_pairs_of_a_space_with_many_carry_its_bias() -> None:
    agent, rival, space = make_agent(), make_agent(), make_space()
    make_match([agent, rival], [{0: 0.9, 1: 0.2}] * MIN_PAIRS, space=space)
    harvest_matches()
    Pair.objects.update(chosen_length=3, rejected_length=9)
    make_match([agent, rival], [{0: 0.9, 1: 0.2}], space=space)
    harvest_matches()
    newest = Pair.objects.filter(agent=agent).latest("id")
    assert newest.length_bias == -0.5
    assert newest.length_bias_pairs >= MIN_PAIRS


def test_judges_that_are_measured_give_their_own_biases_by_weight() -> None:
    agent, rival, space = make_agent(), make_agent(), make_space()
    match = make_match([agent, rival], [{0: 0.9, 1: 0.2}], space=space, dissent=0.25)
    for slug, value, count in (("code", 0.1, 40), ("dissenter", 0.6, 30)):
        CalibrationPoint.objects.create(
            judge=Judge.objects.get(slug=slug),
            day=timezone.now().date(),
            items=24,
            biases={"length": {"value": value, "low": 0.0, "high": 0.9, "pairs": count}},
        )
    found = LengthBiases().of_round(match.rounds.get(), space)
    assert found.value == pytest.approx((0.1 + 0.25 * 0.6) / 1.25)
    assert found.pairs == 30
