"""How the difficulties of a Space went lately: rows that settlements keep up to date."""

from collections.abc import Iterable, Sequence

from django.db.models import F

from arena.environments import ENVIRONMENTS
from arena.environments.base import EnvironmentFault
from arena.models import DifficultyTally
from arena.spaces.proposals import GradedAnswer, Tally, difficulty_weights, mean_rating, noted


def difficulties_of(environment: str) -> int:
    """How many difficulties matches draw from."""
    try:
        known = ENVIRONMENTS.get(environment)
        return known.difficulty_count if known else 1
    except EnvironmentFault:  # a match on it is cancelled when it is played, and refunded
        return 1


def tallies_of(space_id: int, environment: str, *, count: int) -> list[Tally]:
    """One for each of the environment's `count` difficulties, the easiest first."""
    rows = DifficultyTally.objects.filter(space_id=space_id, environment=environment)
    return _in_order(rows, count)


def played_weights(space_id: int) -> tuple[float, ...]:
    """By difficulty, how often agents rated as those who answered lately get its tasks.

    () if there is one difficulty, or no model has answered yet. It reads rows only, so that a caller
    may hold locks: the environment may be a package's.
    """
    of_space = DifficultyTally.objects.filter(space_id=space_id)
    rows = list(of_space.filter(environment=F("space__environment")))
    if len(rows) < 2:
        return ()
    tallies = _in_order(rows, 1 + max(row.difficulty for row in rows))
    return difficulty_weights(tallies, mean_rating(tallies))


def note_answers(
    space_id: int, environment: str, answers: Sequence[GradedAnswer], *, count: int
) -> None:
    """Add answers to the tallies, inside the transaction that settles their match."""
    of_space = {"space_id": space_id, "environment": environment}
    DifficultyTally.objects.bulk_create(
        (DifficultyTally(**of_space, difficulty=difficulty) for difficulty in range(count)),
        ignore_conflicts=True,
    )
    # In the order of difficulties, so that settlements never deadlock.
    rows = list(
        DifficultyTally.objects.select_for_update(no_key=True)
        .filter(**of_space, difficulty__lt=count)
        .order_by("difficulty")
    )
    for row, tally in zip(rows, noted(_in_order(rows, count), answers), strict=True):
        row.asked, row.solved, row.rating_sum = tally.asked, tally.solved, tally.rating_sum
    DifficultyTally.objects.bulk_update(rows, ["asked", "solved", "rating_sum"])


def _in_order(rows: Iterable[DifficultyTally], count: int) -> list[Tally]:
    known = {row.difficulty: Tally(row.asked, row.solved, row.rating_sum) for row in rows}
    return [known.get(difficulty, Tally()) for difficulty in range(count)]
