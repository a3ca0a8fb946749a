"""Grouped rollouts and episodes: whole sequences of token ids, of one's own agents only."""

from pathlib import Path
from typing import Any

import pytest

from agents.models import Agent
from arena.models import Match, Round, Space
from arena.states import DataLicence
from training.configs.fields import InvalidConfig
from training.data.harvest import harvest_matches
from training.exports.folders import export_folder
from training.exports.formats import FORMATS
from training.exports.formats.groups import MASKED, NO_LOGPROB
from training.exports.selection import Selection, Whose
from training.exports.summary import summary
from training.exports.tests.orders import learner, order, rows_of, written
from training.models import TrainingRun
from training.practice import practice
from training.practice.tests.builders import ScriptedInference, make_grpo_run, practise_now
from training.states import ExportState, RunStatus
from training.tests.builders import make_agent, make_match

TIMEOUT_SECONDS = 240

# What GRPO does with a group, from the columns as they are: clipped ratios times advantages.
STEP = """
import os, sys
os.environ["HF_HOME"] = sys.argv[2]
import torch
from datasets import load_dataset
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(1)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=512, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
    num_attention_heads=2, num_key_value_heads=2,
))
steps = torch.optim.SGD(model.parameters(), lr=1.0)
before = [one.detach().clone() for one in model.parameters()]
for row in load_dataset(sys.argv[1], split="train"):
    losses, count = [], 0
    for tokens, masks, advantages, sampled in zip(
        row["tokens"], row["masks"], row["advantages"], row["inference_logprobs"], strict=True
    ):
        ids = torch.tensor([tokens])
        logprobs = model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        taught = torch.tensor(masks)[1:] != -100
        ratio = torch.exp(logprobs - torch.tensor(sampled)[1:])[taught]
        advantage = torch.tensor(advantages)[1:][taught]
        losses.append(-torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).sum())
        count += int(taught.sum())
    steps.zero_grad()
    (torch.stack(losses).sum() / count).backward()
    steps.step()
moved = sum(float((one - old).abs().sum()) for one, old in zip(model.parameters(), before))
assert moved > 0 and moved == moved, moved
print("moved")
"""

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def stores(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EXPORT_STORE = tmp_path / "exports"
    settings.RUN_STORE = tmp_path / "runs"
    monkeypatch.setattr(practice, "Inference", ScriptedInference)
    ScriptedInference.reset()


@pytest.fixture
def run(fake_base: Path) -> TrainingRun:
    """That has practised, and is over."""
    made = make_grpo_run(fake_base, share=0)
    practise_now(made)
    TrainingRun.objects.filter(id=made.pk).update(status=RunStatus.ADOPTED)
    return made


@pytest.mark.parametrize("container", ["jsonl", "parquet"])
def test_a_group_has_what_a_policy_gradient_needs_of_each_answer(
    run: TrainingRun, container: str
) -> None:
    export = written(order(run.agent, format="groups", container=container))
    rows = rows_of(export)
    assert len(rows) == 4
    for row in rows:
        lengths = [len(one) for one in row["tokens"]]
        assert len(lengths) == len(row["scores"]) >= 2
        for name in ("masks", "advantages", "inference_logprobs"):
            assert [len(one) for one in row[name]] == lengths, name
        for answer, score in enumerate(row["scores"]):
            parts = zip(
                *(
                    row[name][answer]
                    for name in ("tokens", "masks", "advantages", "inference_logprobs")
                ),
                strict=True,
            )
            for token, mask, advantage, logprob in parts:
                if mask == MASKED:
                    assert (advantage, logprob) == (0.0, NO_LOGPROB)
                else:
                    assert mask == token
                    assert advantage == pytest.approx(score - row["group_mean_score"])
                    assert logprob < 0
            assert row["messages"][answer][-1]["role"] == "assistant"
        assert sum(one[-1] for one in row["advantages"]) == pytest.approx(0), "the whole group"


@pytest.mark.slow
def test_a_step_of_grpo_takes_the_columns_of_groups_as_they_are(
    run: TrainingRun, tmp_path: Path
) -> None:
    from training.trainers.tests.builders import trainers  # noqa: PLC0415 torch takes seconds

    export = written(order(run.agent, format="groups", container="parquet"))
    arguments = (str(export_folder(export.pk)), str(tmp_path / "hub"))
    done = trainers().start(("-c", STEP, *arguments), log=tmp_path / "log")
    assert done.wait(timeout_seconds=TIMEOUT_SECONDS) == 0, done.output[-3000:]
    assert "moved" in done.output


def test_nobody_exports_the_groups_of_another(run: TrainingRun) -> None:
    export = written(order(make_agent(), format="groups"))
    assert export.state == ExportState.FAILED
    for format in ("groups", "episodes"):
        with pytest.raises(InvalidConfig, match="not chosen by whose"):
            order(run.agent, format=format, selection=Selection(whose=Whose.PUBLIC))


def game(*agents: Agent) -> Match:
    """A match of one episode with a turn of each seat."""
    match = make_match(agents, [{0: 1.0, 1: 0.0}])
    Round.objects.filter(match=match).update(turn_limit=4)
    return match


def test_an_episode_has_every_turn_and_no_prompt_of_another() -> None:
    agent, rival = make_agent(prompt="Mine."), make_agent(prompt="Only the rival may read this.")
    match = game(agent, rival)
    (row,) = rows_of(written(order(agent, format="episodes", container="parquet")))
    assert (row["match"], row["own_seats"], row["scores"]) == (match.pk, [0], [1.0, 0.0])
    own, other = row["turns"]
    assert own["prompt"][0] == {"role": "system", "content": "Mine."}
    assert own["prompt_token_ids"]
    assert (other["prompt"], other["prompt_token_ids"]) == ([], [])
    assert other["content"]
    assert other["token_ids"]
    assert "Only the rival" not in repr(row)


def test_groups_and_episodes_name_a_licence_only_if_they_were_played_under_it(
    run: TrainingRun,
) -> None:
    game(run.agent, make_agent())

    def named() -> list[str]:
        exports = [written(order(run.agent, format=each)) for each in ("groups", "episodes")]
        return [one["licence"] for export in exports for one in export.manifest["spaces"]]

    assert named() == [DataLicence.CC_BY] * 2
    Space.objects.update(data_licence=DataLicence.CC0)
    assert named() == [DataLicence.NONE] * 2


def test_an_episode_of_a_held_out_task_never_leaves() -> None:
    agent = make_agent()
    match = game(agent, make_agent())
    for one in Round.objects.filter(match=match):
        one.task = one.task | {"split": "heldout"}
        one.save()
    assert written(order(agent, format="episodes")).state == ExportState.FAILED


def test_nothing_of_a_practice_match_leaves_in_any_format(fake_base: Path) -> None:
    run = make_grpo_run(fake_base, share=0, rounds=1)
    practice = make_match([run.agent, make_agent()], [{0: 1.0, 1: 0.0}] * 2, is_practice=True)
    Round.objects.filter(match=practice, number=2).update(turn_limit=4)
    harvest_matches()
    practise_now(run)
    TrainingRun.objects.filter(id=run.pk).update(status=RunStatus.ADOPTED)
    told = summary(Selection(), run.agent.owner_id)
    assert told.count
    assert practice.pk not in {one.match_id for one in told.preview}
    for format in FORMATS.keys() - {"preference-plain"}:  # the same pairs, with a whole tokenizer
        export = written(order(run.agent, format=format))
        matches = {row["match"] for row in rows_of(export)}
        assert bool(matches) == (format != "episodes"), format
        assert practice.pk not in matches


def test_of_anothers_pair_an_export_tells_what_its_page_shows_and_no_prompt() -> None:
    """Public data has nobody's prompt, not even that of the person who exports it."""
    secret = "Zanzibar is the word that only the owner may read."
    theirs = make_agent(prompt=secret)
    make_match([theirs, make_agent(prompt=secret)], [{0: 1.0, 1: 0.2}])  # harvested by learner
    mine = learner(pairs=1)
    for format in ("preference", "unpaired", "winners"):
        export = written(order(mine, format=format, selection=Selection(whose=Whose.PUBLIC)))
        rows = rows_of(export)
        assert rows
        assert secret not in repr(rows)
        assert all(row["prompt_token_ids"] == [] for row in rows)
        assert {one["role"] for row in rows for one in row["prompt"]} == {"user"}
