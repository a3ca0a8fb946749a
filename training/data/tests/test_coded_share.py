"""What coded seats may teach of a dataset of pairs."""

from pathlib import Path

import pytest

from agents.errors import Refused
from training.data.harvest import harvest_matches
from training.data.pair_dataset import CANDIDATES_PER_PLACE
from training.methods.dpo import DPOConfig
from training.tests.builders import (
    make_agent,
    make_base,
    make_match,
    make_pairs_for,
    make_run,
    make_space,
    write_pairs,
)

pytestmark = pytest.mark.django_db


def test_the_pairs_of_others_are_found_behind_many_of_coded_seats(fake_base: Path) -> None:
    make_base(str(fake_base))
    agent, space = make_agent(), make_space()
    make_pairs_for(agent, count=1, wins=1, space=space)
    make_pairs_for(agent, count=2 * CANDIDATES_PER_PLACE + 1, space=space)
    run = make_run(agent, space, config=DPOConfig(), coded_share=0.5)
    run.pair_count = 2
    run.save()
    assert write_pairs(run)["coded"] == {"answers": 1, "of": 2}


def test_coded_seats_give_half_of_the_better_answers_at_the_most(fake_base: Path) -> None:
    make_base(str(fake_base))
    agent, space = make_agent(), make_space()
    make_pairs_for(agent, count=3, space=space)
    rival = make_agent(is_house=True)
    make_match([agent, rival], [{0: 0.2, 1: 0.9}, {0: 0.9, 1: 0.2}], space=space)
    harvest_matches()
    manifest = write_pairs(make_run(agent, space, config=DPOConfig(), coded_share=0.5))
    assert manifest["coded"] == {"answers": 2, "of": 4}
    assert manifest["left_out"] == {"coded_share": 1}


def test_a_run_that_only_coded_seats_could_teach_says_why_it_learns_nothing(
    fake_base: Path,
) -> None:
    make_base(str(fake_base))
    agent, space = make_agent(), make_space()
    make_pairs_for(agent, count=3, space=space)
    run = make_run(agent, space, config=DPOConfig(), coded_share=0.5)
    with pytest.raises(Refused, match="No pair is left to learn from; left out: 3 coded share"):
        write_pairs(run)
    run.config["coded_share"] = 1.0
    run.save()
    assert write_pairs(run)["coded"] == {"answers": 3, "of": 3}
