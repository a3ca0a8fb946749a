"""Every documented example does what its document says."""

from pathlib import Path
from random import Random

import pytest
from django.conf import settings

from agents.api_tokens import Scope, create_token
from agents.models import Agent, User
from arena.matches import seating
from arena.models import Entry, EntryStatus, Match, MatchStatus, Space
from arena.tests.builders import enter, make_agent, make_space, make_user
from frontend.tests.builders import play_to_the_end
from frontend.tests.client.documents import Reader, blocks_of
from training.adapters.tests.builders import small_base, stored_version
from training.exports.writing import write_due
from training.models import Pair, TrainingRun
from training.states import RunStatus
from training.tests.builders import make_base, make_pairs_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

DOCUMENTS = ("README.md", "client/README.md", "docs/datasets.md")
FOR_OWNERS_OF_PAIRS = {"docs/datasets.md"}
PAIRS = 8


class PlayingArena:
    """An arena in which matches are played and agents learn, in an instant."""

    def __init__(self, reader: User, scratch: Path) -> None:
        self._base_folder = small_base(scratch / "base")
        make_base(str(self._base_folder))
        self.space = make_space(slug="constraints", entry_fee_credits=10)
        self._rival = make_agent(make_user(credits=1000))
        make_agent(make_user(is_house=True))  # against whom one practises
        self._reader, self._scratch = reader, scratch

    def go_on(self) -> None:
        """Give everybody who waits what they wait for."""
        if Entry.objects.filter(user=self._reader, status=EntryStatus.QUEUED).exists():
            enter(self._rival, self.space)
        seating.seat_matches(self.space.pk, rng=Random(1))
        for match in Match.objects.filter(status=MatchStatus.SEATED):
            play_to_the_end(match)
        for run in TrainingRun.objects.filter(status=RunStatus.QUEUED):
            if run.child_version is None:
                stored_version(run.agent, self._base_folder, self._scratch)
            TrainingRun.objects.filter(pk=run.pk).update(status=RunStatus.REJECTED)
        for agent in Agent.objects.filter(owner=self._reader):
            if not Pair.objects.filter(agent=agent).exists():
                space = Space.objects.get(pk=self.space.pk)
                make_pairs_for(agent, count=PAIRS, wins=PAIRS // 2, space=space)
        write_due()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_example_of_a_document_works(
    document: str, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings.ENV, "training_pairs", PAIRS)
    monkeypatch.setattr(settings.ENV, "training_price", 1)
    for store in ("EXPORT_STORE", "ADAPTER_STORE", "RUN_STORE"):
        monkeypatch.setattr(settings, store, tmp_path / store.lower())
    person = make_user(credits=500)
    arena = PlayingArena(person, tmp_path)
    reader = Reader(
        tmp_path,
        url=f"http://127.0.0.1:{port}",
        token=create_token(person.pk, name="Reader", scopes=list(Scope)),
        meanwhile=arena.go_on,
    )
    if document in FOR_OWNERS_OF_PAIRS:
        make_agent(person)
        arena.go_on()
    blocks = blocks_of(document)
    assert blocks
    for block in blocks:
        reader.follow(block)
