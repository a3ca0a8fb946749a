"""The pairs that a selection means, and whether a person may have them.

Never among them: tasks of a split that agents must not learn from, answers of people who leave,
better answers that were no legal move, and, of others' pairs, whatever was not entered under a
licence for public data. What of such a pair is public is what its match's page shows: the task and
the answers, never an agent's own prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from agents.models import Agent
from arena.models import Entry, Space, Vote
from arena.states import DataLicence
from judges.models import Judge
from training.configs.fields import InvalidConfig
from training.exports.selection import Selection, Whose
from training.models import Pair

MAX_OFFERED = 200  # of one's agents, the newest


@dataclass(frozen=True)
class Choices:
    """What there is to choose from, each with its name."""

    spaces: tuple[tuple[str, str], ...]  # by slug
    agents: tuple[tuple[int, str], ...]  # the viewer's own, also retired ones
    judges: tuple[tuple[str, str], ...]  # by slug


def choices_for(viewer: int) -> Choices:
    agents = Agent.objects.filter(owner=viewer).order_by("-id")
    return Choices(
        spaces=tuple(Space.objects.order_by("name").values_list("slug", "name")),
        agents=tuple(agents.values_list("id", "name")[:MAX_OFFERED]),
        judges=tuple(Judge.objects.order_by("name").values_list("slug", "name")),
    )


def check(selection: Selection, asker_id: int) -> None:
    """Raise InvalidConfig where the selection names what is not there, or not the asker's."""
    problems = {}
    today = timezone.now().astimezone(UTC).date()
    for name, label in (("since", "first"), ("until", "last")):
        day: date | None = getattr(selection, name)
        if day and day > today:
            problems[name] = (
                f"The {label} day is still to come; today is {today.isoformat()} (UTC)."
            )
    spaces = Space.objects.filter(slug__in=selection.spaces)
    if unknown := _unknown(selection.spaces, spaces.values_list("slug", flat=True)):
        problems["spaces"] = f"There is no Space {unknown!r}."
    elif selection.whose == Whose.PUBLIC:
        private = spaces.filter(data_licence=DataLicence.NONE).values_list("name", flat=True)
        if closed := private.first():
            problems["spaces"] = f"The answers given in {closed} are not public data."
    judges = Judge.objects.filter(slug__in=selection.judges).values_list("slug", flat=True)
    if unknown := _unknown(selection.judges, judges):
        problems["judges"] = f"There is no judge {unknown!r}."
    own = Agent.objects.filter(id__in=selection.agents, owner=asker_id)
    if stranger := _unknown(selection.agents, own.values_list("id", flat=True)):
        problems["agents"] = f"You have no agent {stranger}."
    if problems:
        raise InvalidConfig(problems)


def chosen_pairs(
    selection: Selection, viewer: int, *, up_to_id: int | None = None
) -> QuerySet[Pair]:
    """The selection's pairs, in no order: a page of them by id costs the same wherever it begins.

    What repeats is left out by looking at the pairs with the same key, so that no page needs the
    ones before it. Nothing after `up_to_id` is looked at.
    """
    rows = _filtered(selection, viewer)
    if up_to_id is not None:
        rows = rows.filter(id__lte=up_to_id)
    if selection.one_per_prompt:
        same = rows.filter(prompt_key=OuterRef("prompt_key"))
        clearer = Q(margin__gt=OuterRef("margin"))
        as_clear = Q(margin=OuterRef("margin"), id__lt=OuterRef("id"))
        return rows.filter(~Exists(same.filter(clearer | as_clear)))
    if selection.dedup:
        same = rows.filter(answers_key=OuterRef("answers_key"))
        return rows.filter(~Exists(same.filter(id__lt=OuterRef("id"))))
    return rows


def pairs_after(
    selection: Selection, viewer: int, *, after_id: int, limit: int, up_to_id: int | None = None
) -> list[int]:
    """Ids of at most `limit` of the selection's pairs after this one, in order."""
    rows = chosen_pairs(selection, viewer, up_to_id=up_to_id).filter(id__gt=after_id).order_by("id")
    return list(rows.values_list("id", flat=True)[:limit])


def _filtered(selection: Selection, viewer: int) -> QuerySet[Pair]:
    """Its pairs with those that repeat."""
    rows = Pair.objects.filter(
        is_held_out=False,
        chosen__problem="",
        chosen__seat__agent__owner__leaving_since=None,
        rejected__seat__agent__owner__leaving_since=None,
    )
    rows = _public(rows) if selection.whose == Whose.PUBLIC else rows.filter(agent__owner=viewer)
    if selection.spaces:
        rows = rows.filter(space__slug__in=selection.spaces)
    if selection.agents:
        rows = rows.filter(agent__in=selection.agents)
    if selection.judges:
        votes = Vote.objects.filter(round=OuterRef("round"), judge__slug__in=selection.judges)
        rows = rows.filter(Exists(votes.filter(error="")))
    if selection.since:
        rows = rows.filter(created_at__gte=_begin_of(selection.since))
    if selection.until and selection.until < date.max:
        rows = rows.filter(created_at__lt=_begin_of(selection.until + timedelta(days=1)))
    if not selection.with_cut:
        rows = rows.filter(is_cut=False)
    if selection.only_verified:
        rows = rows.filter(is_verified=True)
    rows = rows.filter(margin__gte=selection.least_margin, agreement__gte=selection.least_agreement)
    return _of_lengths(rows, selection)


def _public(rows: QuerySet[Pair]) -> QuerySet[Pair]:
    """Those whose two answers were both given, and entered for, under the Space's licence of today.

    In a game, the two may come from different matches.
    """
    rows = rows.exclude(space__data_licence=DataLicence.NONE)
    for answer in ("chosen", "rejected"):
        earlier = Entry.objects.filter(
            match=OuterRef(f"{answer}__seat__match"),
            created_at__lt=OuterRef("space__data_licence_since"),
        )
        rows = rows.filter(
            ~Exists(earlier),
            **{f"{answer}__seat__match__created_at__gte": F("space__data_licence_since")},
        )
    return rows


def _of_lengths(rows: QuerySet[Pair], selection: Selection) -> QuerySet[Pair]:
    least, most = selection.least_length_difference, selection.most_length_difference
    if not least and most is None:
        return rows
    difference: Any = F("chosen_length") - F("rejected_length")
    # Pairs of before lengths were noted have none.
    rows = rows.filter(chosen_length__gt=0).annotate(difference=difference)
    if least:
        rows = rows.filter(Q(difference__gte=least) | Q(difference__lte=-least))
    return rows if most is None else rows.filter(difference__gte=-most, difference__lte=most)


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def _unknown(named: Sequence[Any], known: QuerySet[Any, Any]) -> Any:
    """The first that is not known, or None."""
    found = set(known) if named else set()
    return next((one for one in named if one not in found), None)
