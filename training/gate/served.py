"""The server's log-probabilities of the trainer's tokens, compared with the trainer's own."""

from agents.inference.client import Inference, RequestRefused, ServedModel
from agents.inference.patience import together
from training.gate.drift import Drift, ServedSequence, TrainedSequence, TrainerView, compare


async def measure_drift(
    inference: Inference, *, child: ServedModel, base: ServedModel, trained: TrainerView
) -> Drift | None:
    """Ask the server about the trainer's tokens; None if there is nothing to compare.

    Raises InferenceUnavailable or AdapterRefused.
    """

    async def serve(sequence: TrainedSequence) -> ServedSequence | None:
        try:
            logprobs, base_logprobs = await together(
                inference.score_tokens(
                    model, sequence.prompt_ids, sequence.ids, sequence.allowed_token_ids
                )
                for model in (child, base)
            )
        except RequestRefused:
            return None  # longer than the server accepts
        return ServedSequence(logprobs, base_logprobs)

    served = await together(serve(sequence) for sequence in trained.sequences)
    pairs = [
        (ours, theirs)
        for ours, theirs in zip(trained.sequences, served, strict=True)
        if theirs is not None and any(ours.telling)
    ]
    return compare(pairs, precision=trained.precision) if pairs else None
