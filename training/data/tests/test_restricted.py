"""Restricted answers on their way from the database to the trainer and to exports."""

import json
from pathlib import Path

import pytest

from training.data.dataset import DATASET_FILE
from training.data.pair_dataset import export_pairs
from training.data.tests.test_dataset import make_dpo_run
from training.data.tokens import ChatTokens
from training.methods.examples import PAIRS, AnswerExample, GroupExample, PairExample
from training.models import Pair, TrainingRun
from training.runs.attempts import run_folder
from training.tests.builders import END_ID, write_pairs


def lines_of(run: TrainingRun) -> list[str]:
    write_pairs(run)
    return (run_folder(run.pk) / DATASET_FILE).read_text().splitlines()


def test_lines_of_free_answers_are_what_they_were_before_answers_could_be_restricted() -> None:
    """Their bytes are part of what a checkpoint names."""
    pair = PairExample(prompt_ids=[5, 6], chosen_ids=[7, 2], rejected_ids=[8, 2], noise=0.1)
    assert json.dumps(pair.as_json()) == (
        '{"prompt_ids": [5, 6], "chosen_ids": [7, 2], "rejected_ids": [8, 2], "noise": 0.1}'
    )
    group = GroupExample([5], [AnswerExample([7, 2], 0.0, None), AnswerExample([8], 1.0, [-0.5])])
    assert json.dumps(group.as_json()) == (
        '{"prompt_ids": [5], "answers": [{"ids": [7, 2], "reward": 0.0, "logprobs": null}, '
        '{"ids": [8], "reward": 1.0, "logprobs": [-0.5]}]}'
    )
    assert PairExample(**pair.as_json()) == pair
    assert GroupExample.from_json(group.as_json()) == group


@pytest.mark.django_db
def test_the_trainer_and_exports_get_what_was_allowed(fake_base: Path) -> None:
    run = make_dpo_run(fake_base, pairs=2)
    pair = Pair.objects.latest("id")
    for answer in (pair.chosen, pair.rejected):
        answer.allowed_token_ids = [[token, token + 1] for token in answer.token_ids]
        answer.save()
    free, restricted = (json.loads(line) for line in lines_of(run))
    assert not any("allowed" in name for name in free)
    example = PAIRS.read(restricted, 2048)
    assert example is not None
    for side, answer, ids, allowed in zip(
        ("chosen", "rejected"),
        (pair.chosen, pair.rejected),
        example.units[0].answers,
        example.units[0].allowed,
        strict=True,
    ):
        assert len(allowed) == len(ids)
        assert allowed[: len(answer.token_ids)] == answer.allowed_token_ids, side
    exported = list(export_pairs(run.agent_id, viewer=run.agent.owner_id))
    assert exported[0]["chosen_allowed_token_ids"] == []
    assert exported[1]["rejected_allowed_token_ids"] == pair.rejected.allowed_token_ids


def test_an_end_of_the_turn_that_training_adds_was_certain() -> None:
    ids = [37, END_ID]
    assert ChatTokens.allowed(ids, [[36, 37], [END_ID]]) == [[36, 37], [END_ID]]
    assert ChatTokens.allowed(ids, [[36, 37]]) == [[36, 37], [END_ID]]
    assert ChatTokens.allowed(ids, []) == []
