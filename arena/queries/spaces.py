"""Reads about Spaces and their queues."""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from math import isinf

from django.db.models import Count, Q, Value
from django.utils import timezone

from agents.errors import NotAvailable
from arena import access
from arena.environments import ENVIRONMENTS
from arena.environments.asking import exchange_tokens
from arena.environments.base import EnvironmentFault
from arena.models import (
    Entry,
    EntryStatus,
    Match,
    Rating,
    Space,
    SpaceCount,
    SpaceStatus,
    Terms,
)
from arena.panels.judged import MEASURING
from arena.panels.own_base import models_of, on_base
from arena.queries.tiers import FeeTier, fee_tier
from arena.spaces.judges.bench import Bench, bench_of
from arena.spaces.matchmaking import accepted_gap
from arena.spaces.ratings import Skill
from arena.spaces.waits import ExpectedWait, PastWait, expected_wait
from arena.states import LIVE_MATCH_STATUSES
from judges.models import Judge

WAITS_WITHIN = timedelta(days=1)
WAITS_READ = 200  # the newest entries of that time that were played


@dataclass(frozen=True)
class JudgeLine:
    """A judge's place on a Space's panel."""

    slug: str
    name: str
    description: str
    weight: float  # the Space's, without the judge's trust
    trust: float
    is_quarantined: bool
    is_own_base: bool  # it runs on the base model that the agents play on


@dataclass(frozen=True)
class SpaceCard:
    """A Space with what users want to know before paying."""

    space_id: int
    slug: str
    name: str
    summary: str
    description: str
    icon: str
    environment: str
    base_model_id: int
    base_model: str
    is_open: bool
    entry_fee_credits: int  # the usual one of `fees_credits`
    fees_credits: tuple[int, ...]
    seat_count: int
    round_count: int
    rounds_at_once: int
    max_tokens: int
    terms: Terms
    house_fill_seconds: int
    waits_for_training: bool
    restricts_moves: bool
    has_coded_seats: bool
    data_licence: str  # of its answers, as hubs of data sets name it; empty: no public data
    data_licence_name: str
    panel: tuple[JudgeLine, ...]
    is_judged: bool  # one of them has an opinion, rather than a rule
    bench: Bench  # what quarantines have left of it
    excludes_same_base: bool  # those of the panel that run on the agents' own base stay out
    panel_size: int  # how many of it judge a round; 0: all
    least_agreement: float  # of the judges on a round, else it is a tie; 0: any
    agent_count: int
    settled_count: int
    live_count: int

    def tier(self, fee_credits: int | None) -> FeeTier:
        """What a full match at this fee pays; at the usual one if the Space has no such fee."""
        fee = fee_credits if fee_credits in self.fees_credits else self.entry_fee_credits
        assert fee is not None, "a Space has a usual fee"
        return fee_tier(fee, seat_count=self.seat_count, terms=self.terms)

    @property
    def usual(self) -> FeeTier:
        return self.tier(None)


@dataclass(frozen=True)
class SpaceOffer:
    """An open Space on the page of an agent that could enter it."""

    slug: str
    name: str
    entry_fee_credits: int


@dataclass(frozen=True)
class Search:
    """Which ratings an entry accepts by now, in whole points; None: any."""

    lowest: int | None
    highest: int | None


@dataclass(frozen=True)
class QueueState:
    """The state of one of the viewer's entries."""

    entry_id: str
    space_slug: str
    agent_id: int
    agent_name: str
    status: str
    match_id: int | None
    ahead: int
    seat_count: int
    fee_credits: int
    house_fill_seconds: int
    waits_for_training: bool  # this Space waits for the agent's current training run
    search: Search | None  # of a waiting entry
    expected: ExpectedWait | None  # of a waiting entry, if anybody was seated lately
    cancel_reason: str


@dataclass
class _Counts:
    rated: int = 0
    retired: int = 0
    settled: int = 0
    live: int = 0


def space_cards() -> tuple[SpaceCard, ...]:
    """All Spaces, open ones first."""
    rows = list(Space.objects.select_related("base_model").order_by("-status", "id"))
    judges, counts = _judges(rows), _counts([row.id for row in rows])
    models = models_of(judges.values())
    return tuple(_card(row, judges, models, counts[row.id]) for row in rows)


def spaces_to_enter(base_model_id: int) -> tuple[SpaceOffer, ...]:
    """The open Spaces that are played on this base model."""
    rows = Space.objects.filter(base_model_id=base_model_id, status=SpaceStatus.OPEN)
    return tuple(
        SpaceOffer(*row)
        for row in rows.order_by("id").values_list("slug", "name", "entry_fee_credits")
    )


def longest_exchange(base_model_id: int) -> int:
    """Tokens of the longest task and answer in any open Space on this base model."""
    rows = Space.objects.filter(base_model_id=base_model_id, status=SpaceStatus.OPEN)
    longest = 0
    for row in rows.only("environment", "max_tokens"):
        with suppress(EnvironmentFault):  # a Space that cannot be played now limits nobody
            needed = exchange_tokens(ENVIRONMENTS[row.environment], max_tokens=row.max_tokens)
            longest = max(longest, needed)
    return longest


def space_names() -> dict[str, str]:
    """By slug the names of all Spaces, open ones first."""
    return dict(Space.objects.order_by("-status", "id").values_list("slug", "name"))


def space_card(slug: str) -> SpaceCard:
    """One Space. Raises NotAvailable."""
    row = Space.objects.select_related("base_model").filter(slug=slug).first()
    if row is None:
        raise NotAvailable("There is no such Space.")
    judges = _judges([row])
    return _card(row, judges, models_of(judges.values()), _counts([row.id])[row.id])


def space_id_of(slug: str) -> int:
    """For a read that needs no more of the Space. Raises NotAvailable."""
    space_id = Space.objects.filter(slug=slug).values_list("id", flat=True).first()
    if space_id is None:
        raise NotAvailable("There is no such Space.")
    return space_id


def queue_state(entry_id: uuid.UUID, *, viewer: int) -> QueueState:
    """The place of the viewer's entry in its queue, or its match. Raises NotAvailable."""
    entry = access.entry_for_owner(viewer, entry_id)
    ahead, search, expected = 0, None, None
    if entry.status == EntryStatus.QUEUED:
        search = _search_of(entry)
        expected = usual_wait(
            entry.space_id, fee_credits=entry.fee_credits, agent_id=entry.agent_id
        )
        ahead = Entry.objects.filter(
            space_id=entry.space_id,
            status=EntryStatus.QUEUED,
            fee_credits=entry.fee_credits,
            terms=entry.terms,
            created_at__lt=entry.created_at,
        ).count()
    return QueueState(
        entry_id=str(entry.id),
        space_slug=entry.space.slug,
        agent_id=entry.agent_id,
        agent_name=entry.agent.name,
        status=entry.status,
        match_id=entry.match_id,
        ahead=ahead,
        seat_count=entry.space.seat_count,
        fee_credits=entry.fee_credits,
        house_fill_seconds=entry.space.house_fill_seconds,
        waits_for_training=(
            entry.space.waits_for_training and entry.agent.learning_since is not None
        ),
        search=search,
        expected=expected,
        cancel_reason=entry.cancel_reason,
    )


def usual_wait(
    space_id: int, *, fee_credits: int, agent_id: int | None = None
) -> ExpectedWait | None:
    """What recent entries at this fee let one expect: those near the agent's rating if enough were."""
    rows = list(
        Entry.objects.filter(
            space_id=space_id,
            status=EntryStatus.FINISHED,
            match__isnull=False,
            fee_credits=fee_credits,
            created_at__gt=timezone.now() - WAITS_WITHIN,
        )
        .order_by("-created_at")
        .values_list("agent_id", "match_id", "created_at", "match__created_at")[:WAITS_READ]
    )
    if not rows:
        return None
    ids = {played_id for played_id, *_ in rows} | ({agent_id} if agent_id is not None else set())
    ratings = Rating.objects.filter(space_id=space_id, agent_id__in=ids)
    mus = dict(ratings.values_list("agent_id", "mu"))
    waits = [
        PastWait(match_id, max(0.0, (seated - entered).total_seconds()), mus.get(played_id))
        for played_id, match_id, entered, seated in rows
    ]
    mu = None if agent_id is None else mus.get(agent_id, Skill().mu)
    return expected_wait(waits, mu=mu)


def _search_of(entry: Entry) -> Search:
    """What a waiting entry looks for now."""
    row = Rating.objects.filter(space_id=entry.space_id, agent_id=entry.agent_id).first()
    skill = Skill(row.mu, row.sigma) if row else Skill()
    waited = (timezone.now() - entry.created_at).total_seconds()
    gap = accepted_gap(skill.sigma, waited_seconds=waited)
    if isinf(gap):
        return Search(None, None)
    return Search(round(skill.mu - gap), round(skill.mu + gap))


def _counts(space_ids: list[int]) -> dict[int, _Counts]:
    # Counted apart and asked together: joined, they would multiply matches by ratings.
    counts = {space_id: _Counts() for space_id in space_ids}
    in_spaces = Q(space_id__in=space_ids)
    live = Match.objects.filter(in_spaces, status__in=LIVE_MATCH_STATUSES)
    # All, by an index, less the few that are retired: the others would be joined one by one.
    rated = Rating.objects.filter(in_spaces)
    retired = rated.filter(agent__retired_at__isnull=False)
    numbers = [
        rows.values("space_id")
        .annotate(number=Count("*"))
        .values_list("space_id", Value(name), "number")
        for name, rows in (("live", live), ("rated", rated), ("retired", retired))
    ]
    settled = SpaceCount.objects.filter(in_spaces)
    for space_id, name, number in settled.values_list(
        "space_id", Value("settled"), "settled_matches"
    ).union(*numbers, all=True):
        setattr(counts[space_id], name, number)
    return counts


def _judges(rows: list[Space]) -> dict[str, Judge]:
    slugs = {str(chair["judge"]) for row in rows for chair in row.panel}
    return {judge.slug: judge for judge in Judge.objects.filter(slug__in=slugs)}


def _bench(row: Space, judges: Mapping[str, Judge]) -> Bench:
    # Asked only if somebody is in quarantine: a list of Spaces makes no query for each.
    seated = [judges[chair["judge"]] for chair in row.panel if chair["judge"] in judges]
    return bench_of(row) if any(one.quarantined_at for one in seated) else Bench.WHOLE


def _card(
    row: Space, judges: dict[str, Judge], models: Mapping[str, frozenset[str]], counts: _Counts
) -> SpaceCard:
    own = on_base(models, row.base_model)
    return SpaceCard(
        space_id=row.id,
        slug=row.slug,
        name=row.name,
        summary=row.summary,
        description=row.description,
        icon=row.icon,
        environment=row.environment,
        base_model_id=row.base_model_id,
        base_model=row.base_model.name,
        is_open=row.status == "open",
        entry_fee_credits=row.entry_fee_credits,
        fees_credits=row.fees_credits,
        seat_count=row.seat_count,
        round_count=row.round_count,
        rounds_at_once=min(row.rounds_at_once, row.round_count),
        max_tokens=row.max_tokens,
        terms=row.terms,
        house_fill_seconds=row.house_fill_seconds,
        waits_for_training=row.waits_for_training,
        restricts_moves=row.restricts_moves,
        has_coded_seats=row.has_coded_seats,
        data_licence=row.data_licence,
        data_licence_name=row.get_data_licence_display(),
        panel=tuple(
            JudgeLine(
                slug=chair["judge"],
                name=judges[chair["judge"]].name,
                description=judges[chair["judge"]].description,
                weight=float(chair.get("weight", 1.0)),
                trust=judges[chair["judge"]].trust,
                is_quarantined=judges[chair["judge"]].quarantined_at is not None,
                is_own_base=chair["judge"] in own,
            )
            for chair in row.panel
            if chair["judge"] in judges
        ),
        is_judged=any(
            judges[chair["judge"]].kind not in MEASURING
            for chair in row.panel
            if chair["judge"] in judges
        ),
        bench=_bench(row, judges),
        excludes_same_base=row.excludes_same_base,
        panel_size=row.panel_size if row.panel_size < len(row.panel) else 0,
        least_agreement=row.least_agreement,
        agent_count=counts.rated - counts.retired,
        settled_count=counts.settled,
        live_count=counts.live,
    )
