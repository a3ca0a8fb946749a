"""The methods' losses, on log-probabilities of answer tokens. Pure.

Each function gives one row's share of an optimizer step. Sums are divided by the counts of the
whole step, so shares and their gradients add up to the same step however it is cut into rows.

Averages are over the tokens that had an alternative. What a restricted answer could only continue
with is certain under any policy: counted, a move would weigh less the longer its spelling is.
"""

from dataclasses import dataclass

import torch
from torch.nn.functional import logsigmoid

# prime-rl's masks: a token, or a whole answer, that has become too off-policy teaches nothing.
# Chosen in docs/decisions/grpo-clips.md
TOKEN_RATIO = (0.125, 8.0)
ANSWER_RATIO = (0.1, 10.0)  # of the geometric mean of an answer's token ratios
# INTELLECT-2 (arXiv:2505.07291), section 3.4: bounds the ratio if the advantage is negative.
MAX_NEGATIVE_RATIO = 4.0
LOG_RATIO_BOUND = 20.0
KL_LOG_BOUND = 5.0  # in displayed figures: one token in thousands must not hide the others


@dataclass(frozen=True)
class Share:
    """A row's share of a step."""

    loss: torch.Tensor  # scalar, to be differentiated
    figures: dict[str, float]  # shares of the step's figures, to be added up


def answer_sums(logprobs: torch.Tensor, lengths: tuple[int, ...]) -> torch.Tensor:
    """[N] values per token to [A] sums per answer."""
    return torch.stack([part.sum() for part in torch.split(logprobs, list(lengths))])


def dpo_share(
    logprobs: torch.Tensor,
    parent: torch.Tensor,
    noise: torch.Tensor,
    *,
    lengths: tuple[int, ...],
    beta: float,
    sft_weight: float,
    preference_weight: float = 1.0,
    step_pairs: int,
    step_chosen_tokens: int,
    step_tokens: int,
) -> Share:
    """Preference loss with label noise, plus plain imitation of the chosen answers.

    `logprobs`, `parent`: [N] of the answers chosen, rejected, chosen, ...; `noise`: [P], the
    probability that a pair's label is wrong (cDPO: https://ericmitchell.ai/cdpo.pdf). With noise 0
    this is TRL's loss_type ["sigmoid", "sft"] with these two weights over the whole step.
    """
    scores = beta * answer_sums(logprobs - parent, lengths)  # [2 P], implicit rewards
    margins = scores[0::2] - scores[1::2]  # [P]
    preference = -(1 - noise) * logsigmoid(margins) - noise * logsigmoid(-margins)
    loss = preference_weight * preference.sum() / step_pairs
    if sft_weight:
        chosen = answer_sums(logprobs, lengths)[0::2].sum()
        loss = loss - sft_weight * chosen / step_chosen_tokens
    return Share(
        loss,
        {
            "reward_margin": float(margins.detach().sum()) / step_pairs,
            "accuracy": float((margins.detach() > 0).sum()) / step_pairs,
            "kl": _kl_shown(logprobs, parent) / step_tokens,
        },
    )


def grpo_share(
    logprobs: torch.Tensor,
    behaviour: torch.Tensor,
    parent: torch.Tensor,
    advantages: torch.Tensor,
    *,
    telling: torch.Tensor,
    usable: torch.Tensor,
    lengths: tuple[int, ...],
    clip_low: float,
    clip_high: float,
    beta: float,
    step_tokens: int,
) -> Share:
    """Clipped policy gradient of stored answers, averaged over the telling tokens of the step.

    `logprobs`, `behaviour`, `parent`: [N] under the learner, the behaviour policy and the parent;
    `advantages`: [A], reward minus the group's mean; `telling`: [N] bool, tokens that were not
    certain; `usable`: [N] bool, those of them that may teach, all counted in the average. `beta`
    weighs the KL divergence to the parent (estimator k3 of http://joschu.net/blog/kl-approx.html).
    """
    counts = torch.tensor(lengths, device=logprobs.device)
    advantage = advantages.repeat_interleave(counts)  # [N]
    # Far beyond the masks; without this bound, infinity times a mask of 0 would be NaN.
    log_ratio = (logprobs - behaviour).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
    ratio = log_ratio.exp()
    kept = usable & ratio_mask(log_ratio.detach(), telling=telling, lengths=lengths)
    # With a positive advantage, a ratio counts up to 1 + clip_high; with a negative one, from
    # 1 - clip_low up to MAX_NEGATIVE_RATIO. Beyond these bounds the gradient is zero.
    bounded = torch.where(
        advantage < 0,
        ratio.clamp(1 - clip_low, MAX_NEGATIVE_RATIO),
        ratio.clamp(max=1 + clip_high),
    )
    gain = bounded * advantage
    loss = -torch.where(kept, gain, 0.0).sum() / step_tokens
    if beta:
        loss = loss + beta * kl_k3(logprobs, parent).sum() / step_tokens
    with torch.no_grad():
        rises, falls = ratio > 1 + clip_high, ratio < 1 - clip_low
        flat = torch.where(advantage > 0, rises, falls | (ratio > MAX_NEGATIVE_RATIO))
        figures = {
            "clipped": float((telling & (flat & (advantage != 0) | ~kept)).sum()) / step_tokens,
            "ratio": float(ratio[telling].sum()) / step_tokens,
            "kl": _kl_shown(logprobs, parent) / step_tokens,
        }
    return Share(loss, figures)


def ratio_mask(
    log_ratio: torch.Tensor, *, telling: torch.Tensor, lengths: tuple[int, ...]
) -> torch.Tensor:
    """[N] bool: tokens whose own ratio and whose answer's ratio are within prime-rl's bounds."""
    counted = answer_sums(telling.to(log_ratio.dtype), lengths).clamp(min=1)
    means = answer_sums(torch.where(telling, log_ratio, 0.0), lengths) / counted
    counts = torch.tensor(lengths, device=log_ratio.device)
    token, answer = log_ratio.exp(), means.exp().repeat_interleave(counts)
    return (
        (token >= TOKEN_RATIO[0])
        & (token <= TOKEN_RATIO[1])
        & (answer >= ANSWER_RATIO[0])
        & (answer <= ANSWER_RATIO[1])
    )


def kl_k3(logprobs: torch.Tensor, parent: torch.Tensor) -> torch.Tensor:
    """[N] non-negative estimates of the divergence from the parent."""
    log_ratio = parent - logprobs
    return log_ratio.exp() - log_ratio - 1


def _kl_shown(logprobs: torch.Tensor, parent: torch.Tensor) -> float:
    log_ratio = (parent - logprobs.detach()).clamp(-KL_LOG_BOUND, KL_LOG_BOUND)
    return float((log_ratio.exp() - log_ratio - 1).sum())
