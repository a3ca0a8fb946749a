"""A pair for people and other trainers: its texts in TRL's format, and where it comes from.

https://huggingface.co/docs/trl/dataset_formats: {"prompt": [messages], "chosen": [message],
"rejected": [message]}. Texts pass through `neutralised`, as they do on their way to vLLM, so
that no answer can speak as another role when the chat template is applied.
"""

from typing import Any

from agents.prompts import neutralised
from arena.models import Completion
from training.models import Pair
from training.states import PairSource

JSON = dict[str, Any]


def own_answer(pair: Pair) -> Completion:
    """The pair's answer that its own agent gave."""
    return pair.chosen if pair.source == PairSource.OWN_CHOSEN else pair.rejected


def example(pair: Pair) -> JSON:
    """The pair's texts; the prompt is the one that the agent itself was given."""
    return {
        "prompt": [message(one["role"], one["content"]) for one in own_answer(pair).messages],
        "chosen": [message("assistant", pair.chosen.text)],
        "rejected": [message("assistant", pair.rejected.text)],
    }


def sampled(pair: Pair) -> JSON:
    """The token ids as they were sampled, which the texts need not give again.

    A finished answer's ids end with its stop token; an answer that was cut off has none. What was
    allowed for each token is [] for a free answer.
    """
    return {
        "prompt_token_ids": list(own_answer(pair).prompt_token_ids),
        "chosen_token_ids": list(pair.chosen.token_ids),
        "rejected_token_ids": list(pair.rejected.token_ids),
        "chosen_allowed_token_ids": pair.chosen.allowed_token_ids,
        "rejected_allowed_token_ids": pair.rejected.allowed_token_ids,
    }


def message(role: str, content: str) -> JSON:
    return {"role": role, "content": neutralised(content)}


def provenance(pair: Pair) -> JSON:
    """Where the pair comes from."""
    seats = {"chosen": pair.chosen.seat, "rejected": pair.rejected.seat}
    # Moves of an episode are valued by code, and the other one may come from another match.
    votes = [] if pair.round.is_episode else pair.round.votes.all()
    return {
        "pair": pair.pk,
        "space": pair.space.slug,
        "match": pair.round.match_id,
        "round": pair.round.number,
        "task": pair.round.task_key,
        "task_kind": pair.round.task_kind,
        "source": pair.source,
        "margin": float(pair.margin),
        "agreement": float(pair.agreement),
        "chosen_length": len(pair.chosen.token_ids),
        "rejected_length": len(pair.rejected.token_ids),
        "length_bias": float(pair.length_bias),
        "length_bias_pairs": pair.length_bias_pairs,
        "chosen_version": str(pair.chosen.version),
        "rejected_version": str(pair.rejected.version),
        "chosen_adapter": pair.chosen.adapter_digest,
        "rejected_adapter": pair.rejected.adapter_digest,
        "chosen_finish_reason": pair.chosen.finish_reason,
        "rejected_finish_reason": pair.rejected.finish_reason,
        "judge_votes": [
            {
                "judge": vote.judge.slug,
                "weight": float(vote.weight),
                "chosen": float(vote.scores[str(seats["chosen"].index)]),
                "rejected": float(vote.scores[str(seats["rejected"].index)]),
            }
            for vote in votes
            if {str(seat.index) for seat in seats.values()} <= vote.scores.keys()
            # A judge that could not read the two side by side said nothing of them.
            and vote.preference(seats["chosen"].index, seats["rejected"].index) is not None
        ],
    }
