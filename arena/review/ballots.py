"""Pairs of answers that are shown without names, and the seal under which a page hands one back.

Answers of settled matches only: never a task of the gate's, never one of the judges' hidden items,
which no match uses.
"""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random

from django.conf import settings
from django.core import signing
from django.db.models import Q, QuerySet
from django.utils.crypto import salted_hmac

from agents.errors import Refused
from arena.environments.base import Split
from arena.live.audience import network_of
from arena.models import Completion, Match, MatchStatus, Round, RoundStatus
from arena.panels.judged import judged_spaces
from arena.states import CompletionStatus

NEWEST_MATCHES = 60  # of each Space, among which a pair is drawn
TRIES = 30  # rounds that are looked at before it is said that there is nothing new
SEAL_SECONDS = 24 * 3600  # a page that is older votes no more
_SALT = "arena.review.ballots"


@dataclass(frozen=True)
class Voter:
    """Who votes: a person, or whoever is in one network. Addresses are kept as keyed digests only."""

    user_id: int | None
    address: str

    @property
    def key(self) -> str:
        who = (
            f"network:{network_of(self.address)}"
            if self.user_id is None
            else f"user:{self.user_id}"
        )
        return salted_hmac(_SALT, who, secret=settings.SECRET_KEY, algorithm="sha256").hexdigest()


@dataclass(frozen=True)
class BlindBallot:
    """Which answers were shown as A and as B."""

    ballot_id: uuid.UUID
    round_id: int
    seats: tuple[int, int]  # A, B


@dataclass(frozen=True)
class BlindPair:
    """What a voter is shown: no name, no model, no verdict, no match."""

    ballot: BlindBallot
    space_name: str
    kind: str
    prompt: str
    texts: tuple[str, str]  # of A and of B

    @property
    def seal(self) -> str:
        return seal(self.ballot)


def seal(ballot: BlindBallot) -> str:
    """For the form, so that nobody makes up a ballot."""
    return signing.dumps([str(ballot.ballot_id), ballot.round_id, *ballot.seats], salt=_SALT)


def unseal(sealed: str) -> BlindBallot:
    """What `seal` wrote. Raises Refused for anything else and for what is too old."""
    try:
        ballot_id, round_id, *seats = signing.loads(sealed, salt=_SALT, max_age=SEAL_SECONDS)
    except signing.BadSignature:
        raise Refused("That pair was shown too long ago. Here is another one.") from None
    return BlindBallot(uuid.UUID(ballot_id), round_id, (seats[0], seats[1]))


def next_pair(voter: Voter, *, opened: Collection[int], rng: Random) -> BlindPair | None:
    """Two answers that the voter has not judged, of a match not `opened`; None: nothing is left."""
    ids = list(_rounds(voter, opened).values_list("id", flat=True))
    for round_id in rng.sample(ids, min(TRIES, len(ids))):
        row = Round.objects.select_related("match__space").get(id=round_id)
        if pairs := list(_pairs_of(answers_of(row))):
            seats = list(rng.choice(pairs))
            rng.shuffle(seats)
            ballot_id = uuid.UUID(int=rng.getrandbits(128), version=4)
            return blind_pair(row, BlindBallot(ballot_id, row.pk, (seats[0], seats[1])))
    return None


def blind_pair(row: Round, ballot: BlindBallot) -> BlindPair:
    """The pair as it is shown."""
    texts = answers_of(row)
    return BlindPair(
        ballot=ballot,
        space_name=row.match.space.name,
        kind=row.task_kind,
        prompt=prompt_of(row),
        texts=(texts.get(ballot.seats[0], ""), texts.get(ballot.seats[1], "")),
    )


def is_votable(row: Round) -> bool:
    """Whether the round's answers may be shown to an audience at all."""
    return (
        row.status == RoundStatus.DECIDED
        and row.match.status == MatchStatus.SETTLED
        and not row.match.is_practice
        and row.task.get("split") == Split.TRAIN
    )


def answers_of(row: Round) -> Mapping[int, str]:
    """By seat, what it said; of an episode, its legal turns. Seats that said nothing are left out."""
    said: dict[int, list[str]] = {}
    for seat, text in (
        Completion.objects.filter(round=row, status=CompletionStatus.OK, problem="")
        .order_by("id")
        .values_list("seat__index", "text")
    ):
        said.setdefault(seat, []).append(text.strip())
    return {seat: "\n\n".join(texts).strip() for seat, texts in said.items() if any(texts)}


def prompt_of(row: Round) -> str:
    """The task in the words of spectators: of a debate its motion, not what one side was told."""
    if row.is_episode:
        last = row.completions.order_by("-id").values_list("view", flat=True).first() or {}
        if last.get("kind") == "text":
            return str(last["text"])
    return str(row.task.get("prompt", ""))


def _pairs_of(texts: Mapping[int, str]) -> Iterator[Sequence[int]]:
    """Seats whose answers differ by more than case and space."""
    wordings = {seat: " ".join(text.split()).casefold() for seat, text in texts.items()}
    for one, other in combinations(sorted(texts), 2):
        if wordings[one] != wordings[other]:
            yield one, other


def _rounds(voter: Voter, opened: Collection[int]) -> QuerySet[Round]:
    newest: list[int] = []
    for space in judged_spaces():
        settled = Match.objects.filter(space=space, status=MatchStatus.SETTLED, is_practice=False)
        newest += settled.order_by("-id").values_list("id", flat=True)[:NEWEST_MATCHES]
    hidden = Q(match_id__in=list(opened)) | Q(
        match__seats__agent__owner__leaving_since__isnull=False
    )
    if voter.user_id is not None:
        hidden |= Q(match__seats__agent__owner_id=voter.user_id)
    return (
        Round.objects.filter(
            match_id__in=newest, status=RoundStatus.DECIDED, task__split=Split.TRAIN
        )
        .exclude(hidden)
        .exclude(audience_votes__voter=voter.key)
    )
