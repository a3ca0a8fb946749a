"""A judge is asked its gold as in a round, and its weight and its seat follow from what it says."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from agents.errors import Refused
from arena.models import Entry, EntryStatus, Space
from arena.panels.asking import JudgeServer
from arena.panels.gold import asking
from arena.panels.gold.asking import FIRST_ITEMS, ask_due_gold
from arena.panels.gold.making import make_gold
from arena.panels.tools import build_tools
from arena.panels.voting import panel_of
from arena.seeding import seed
from arena.spaces.judges.bench import Bench, bench_of
from arena.tests.builders import enter, make_agent, make_space, make_user
from judges.calibration.figures import MIN_ITEMS, MIN_TRUST
from judges.calibration.heard import GoldOutcome
from judges.models import GoldAnswer, GoldItem, GoldSource, Judge, JudgeKind, Quarantine
from judges.tools import CannotJudge, ChatRequest, Exchanged, Reply, Tools

pytestmark = pytest.mark.django_db(transaction=True)

Say = Callable[[ChatRequest], str]


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings.ENV, "gold_a_day", 12)


def make_reader(slug: str = "reader") -> Judge:
    return Judge.objects.create(slug=slug, name="Reader", kind=JudgeKind.PAIRWISE)


def space_judged_by(judge: Judge, environment: str = "constraints") -> Space:
    return make_space(environment=environment, panel=[{"judge": judge.slug, "weight": 2.0}])


def says(monkeypatch: pytest.MonkeyPatch, say: Say) -> list[ChatRequest]:
    """Let every judge's model answer so; returns what it is asked."""
    asked = []

    async def complete(request: ChatRequest) -> Reply:
        asked.append(request)
        return Reply(say(request))

    async def unused(*args: object, **kwargs: object) -> None:
        raise AssertionError

    tools = Tools(complete=complete, logprob=unused, relevance=unused)  # type: ignore[arg-type]
    monkeypatch.setattr(asking, "build_tools", lambda: tools)
    return asked


def away(request: ChatRequest) -> str:
    raise CannotJudge("no judge endpoint is configured")


def sweep_until_known() -> None:
    for turn in range(MIN_ITEMS // FIRST_ITEMS + 1):
        ask_due_gold(rng=Random(turn))


def test_a_judge_that_always_says_a_ends_in_quarantine_and_its_space_falls_back_to_code(
    monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    judge = make_reader()
    space = space_judged_by(judge)
    says(monkeypatch, lambda request: "VERDICT: A")
    sweep_until_known()
    judge.refresh_from_db()
    assert judge.quarantined_at is not None
    assert Quarantine.objects.get().items >= MIN_ITEMS
    assert bench_of(space) == Bench.CODE
    panel = panel_of(((judge.slug, 2.0),), environment=space.environment)
    assert [(one.slug, one.weight) for one in panel] == [("code", 1.0)]
    assert "The rule checker judges alone" in client.get(f"/spaces/{space.slug}/").text
    before = GoldAnswer.objects.count()
    ask_due_gold(rng=Random(9))
    assert GoldAnswer.objects.count() == before, "one in quarantine is asked nothing"


def test_a_judge_that_is_right_keeps_its_seat_and_one_that_writes_prose_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prose, space = make_reader("prose"), make_space()
    says(monkeypatch, lambda request: "Both are lovely in their own way.")
    sweep_until_known()
    prose.refresh_from_db()
    assert prose.quarantined_at is not None
    assert set(prose.gold_answers.values_list("outcome", flat=True)) == {GoldOutcome.UNSAID}
    assert bench_of(space) == Bench.WHOLE, "it sits nowhere"


def test_an_outage_is_not_taken_for_a_judges_opinion(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = make_reader()
    space_judged_by(judge)
    says(monkeypatch, away)
    sweep_until_known()
    judge.refresh_from_db()
    assert judge.quarantined_at is None
    assert set(judge.gold_answers.values_list("outcome", flat=True)) == {GoldOutcome.AWAY}
    assert judge.gold_answers.count() == 2, "one item, then an hour's pause"
    GoldAnswer.objects.update(created_at="2026-01-01T00:00Z")
    says(monkeypatch, lambda request: "VERDICT: TIE")
    ask_due_gold(rng=Random(1))
    assert GoldOutcome.SAID in judge.gold_answers.values_list("outcome", flat=True)


def test_both_orders_are_asked_by_the_prompts_of_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = make_reader()
    space_judged_by(judge)
    asked = says(monkeypatch, lambda request: "VERDICT: A")
    assert ask_due_gold(rng=Random(1)) == FIRST_ITEMS
    turns = judge.gold_answers.values_list("item", "is_swapped")
    assert len(set(turns)) == 2 * FIRST_ITEMS
    words = " ".join(message["content"] for request in asked for message in request.messages)
    for tell in ("gold", "calibration", "known order", "off topic", "spoiled"):
        assert tell not in words.lower()


def test_after_its_first_items_a_judge_is_asked_a_few_a_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = make_reader()
    space_judged_by(judge)
    monkeypatch.setattr(settings.ENV, "judge_floor", 0.0)
    says(monkeypatch, lambda request: "VERDICT: TIE")
    sweep_until_known()
    known = judge.gold_answers.count()
    ask_due_gold(rng=Random(9))
    assert judge.gold_answers.count() == known
    GoldAnswer.objects.update(created_at=timezone.now() - timedelta(hours=3))
    assert asking._due(judge) == 1
    judge.refresh_from_db()
    assert judge.trust == MIN_TRUST
    assert panel_of(((judge.slug, 2.0),), environment="constraints")[0].weight == 2.0 * MIN_TRUST


def test_an_installation_may_ask_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    space_judged_by(make_reader())
    monkeypatch.setattr(settings.ENV, "gold_a_day", 0)
    says(monkeypatch, lambda request: "VERDICT: A")
    assert ask_due_gold(rng=Random(1)) == 0


def test_code_and_coins_are_asked_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    make_space()
    Judge.objects.create(slug="coin", name="Coin", kind=JudgeKind.COIN)
    says(monkeypatch, lambda request: "VERDICT: A")
    assert ask_due_gold(rng=Random(1)) == 0


def test_the_other_judges_of_a_panel_judge_on(client: Client) -> None:
    judge = make_reader()
    panel = [{"judge": "code", "weight": 1.0}, {"judge": judge.slug, "weight": 2.0}]
    space = make_space(panel=panel)
    Judge.objects.filter(pk=judge.pk).update(quarantined_at="2026-11-01T00:00Z")
    assert bench_of(space) == Bench.REDUCED
    assert "the others go on judging" in client.get(f"/spaces/{space.slug}/").text


def test_a_space_that_nobody_may_judge_takes_no_entries_and_returns_those_that_wait(
    monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    judge = make_reader()
    space = space_judged_by(judge, "debate")
    says(monkeypatch, away)
    agent = make_agent(make_user(credits=100))
    entry_id = enter(agent, space)
    Judge.objects.filter(pk=judge.pk).update(quarantined_at="2026-11-01T00:00Z")
    assert bench_of(space) == Bench.EMPTY
    ask_due_gold(rng=Random(1))
    entry = Entry.objects.get(id=entry_id)
    assert entry.status == EntryStatus.CANCELLED
    assert "quarantined" in entry.cancel_reason
    with pytest.raises(Refused, match="its judges are in quarantine"):
        enter(agent, space)
    assert "takes no entries" in client.get(f"/spaces/{space.slug}/").text


def test_the_seeded_bare_reader_asks_the_arenas_own_base_and_always_says_a_until_it_is_quarantined(
    monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    seed()
    Judge.objects.exclude(slug="bare-reader").update(quarantined_at="2026-11-01T00:00Z")
    asked: list[JudgeServer] = []

    async def chat(server: JudgeServer, request: ChatRequest) -> Reply:
        asked.append(server)
        return Reply('{"reason": "The first one is better.", "verdict": "A"}')

    monkeypatch.setattr("arena.panels.asking._chat", chat)
    sweep_until_known()
    judge = Judge.objects.get(slug="bare-reader")
    assert judge.quarantined_at is not None
    assert {(server.url, server.model) for server in asked} == {
        (f"{settings.VLLM_URLS[0]}/v1", settings.ENV.base_model)
    }
    page = client.get("/judges/bare-reader/").text
    assert "Quarantined" in page
    assert "On no panel" in page
    assert GoldOutcome.SAID in judge.gold_answers.values_list("outcome", flat=True)
    position = judge.calibration_points.get().biases["position"]
    assert position["value"] == 0.5


def test_a_judge_that_breaks_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for slug in ("one", "other"):
        space_judged_by(make_reader(slug))
    says(monkeypatch, lambda request: "VERDICT: A")
    original = asking._ask_judge

    def broken(judge: Judge, *, until: float, rng: Random) -> int:
        if judge.slug == "one":
            raise RuntimeError
        return original(judge, until=until, rng=rng)

    monkeypatch.setattr(asking, "_ask_judge", broken)
    assert ask_due_gold(rng=Random(1)) == FIRST_ITEMS
    assert ask_due_gold(rng=Random(2)) == FIRST_ITEMS, "and its turn is given back"


def test_a_judge_that_learns_is_measured_only_with_what_it_cannot_have_learned() -> None:
    made = [make_gold("constraints", rng=Random(seed)) for seed in range(2)]
    attack, code = [item for item in made if item]
    judge = Judge.objects.create(
        slug="learns", name="Learns", kind=JudgeKind.LEARNED, config={"kinds": [code.kind]}
    )
    space_judged_by(judge)
    GoldItem.objects.filter(id=attack.pk).update(source=GoldSource.ATTACK)
    assert asking._next_item(judge, ["constraints"], Random(1)) == code
    assert asking._next_item(make_reader(), ["constraints"], Random(3)) in (attack, code)
    GoldItem.objects.filter(id=code.pk).update(retired_at=timezone.now())
    another = next(
        item
        for seed in range(40)
        if (item := asking._next_item(judge, ["constraints"], Random(seed)))
    )
    assert (another.source, another.kind) == (GoldSource.CODE, code.kind)
    GoldItem.objects.exclude(kind=code.kind).exclude(id=attack.pk).delete()
    judge.config = {"kinds": []}
    assert asking._next_item(judge, ["constraints"], Random(4)) is None


def test_a_judge_that_wants_a_reference_is_shown_one(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = make_reader()
    judge.config = {"has_reference": True}
    judge.save()
    space_judged_by(judge)
    old = make_gold("constraints", rng=Random(1))
    assert old is not None
    GoldItem.objects.update(transcript={**old.transcript, "reference": ""})
    asked = says(monkeypatch, lambda request: "VERDICT: TIE")
    ask_due_gold(rng=Random(2))
    assert asked
    assert set(judge.gold_answers.values_list("outcome", flat=True)) == {GoldOutcome.SAID}
    item = judge.gold_answers.exclude(item=old).first().item  # type: ignore[union-attr]
    told = [message["content"] for request in asked for message in request.messages]
    assert any(item.transcript["reference"] in text for text in told)


def test_a_reward_model_whose_server_answers_nonsense_is_heard_and_not_taken_for_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = Judge.objects.create(slug="reward", name="Reward", kind=JudgeKind.REWARD)
    space_judged_by(judge)
    says(monkeypatch, lambda request: "")

    async def exchange(path: str, body: Mapping[str, Any], endpoints: Sequence[str]) -> Exchanged:
        return Exchanged({"data": "nonsense"}, 0, 0)

    tools = replace(build_tools(), exchange=exchange)
    monkeypatch.setattr(asking, "build_tools", lambda: tools)
    ask_due_gold(rng=Random(1))
    assert set(judge.gold_answers.values_list("outcome", flat=True)) == {GoldOutcome.UNSAID}
