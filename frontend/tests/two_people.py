"""Two people for tests of access: an owner with something to hide, and a rival who has met them."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

from django.apps import apps
from django.db import transaction
from django.utils import timezone

from agents.api_tokens import Scope, create_token
from agents.models import Agent, ApiToken, User
from agents.roster import create_agent, set_learning
from arena.credits import ledger, wallet
from arena.credits.brakes import AutopilotLimits
from arena.credits.statement import wallet_balance
from arena.matches import seating
from arena.models import (
    Bounty,
    Delivery,
    Match,
    PracticeMatch,
    Round,
    TransferCode,
    Webhook,
)
from arena.spaces import autopilot
from arena.states import AdoptionRule, DeliveryStatus, HookEvent
from arena.tests.builders import SAMPLING, enter, make_space, make_user
from arena.tournaments.tests.builders import make_tournament, register
from frontend.tests.builders import make_offer, play_to_the_end
from judges.endpoints.keys import seal
from judges.models import Judge, JudgeKind
from training.data.harvest import harvest_matches
from training.methods.dpo import DPOConfig
from training.models import Export, Rollout
from training.states import ExportState
from training.tests.builders import make_base, make_pairs_for

PROMPT = "Zanzibar is the word that only the owner may read."
TOKEN_NAME = "Umbrella of the night shift"
EXPORTED = "valparaiso-of-the-night"  # the Space of which the owner has an export
HOOK_URL = "https://valparaiso.example/told-of-all"
ATTACK = "Yokohama is the word with which the owner tries to fool a judge."
SEED = 918_273_645  # of the learning settings
PRICE = 7_654_321
STOP_LOSS = 86_420  # of the autopilot
AUTOPILOT_LIMITS = AutopilotLimits(
    fee_credits=10,
    matches=50,
    matches_a_day=20,
    at_once=4,
    spend_a_day_credits=200,
    stop_loss_credits=STOP_LOSS,
    take_profit_credits=None,
    adoption=AdoptionRule.PLAY_ON,
)
ROOMS = ("agents", "arena", "judges", "training")  # whose rows are compared


@dataclass(frozen=True)
class TwoPeople:
    """Ids of rows; all are the owner's but the rival's own."""

    owner_id: int
    rival_id: int
    rivals_agent_id: int
    agent_id: int  # with a match, pairs, an offered version, an entry that waits, an autopilot
    student_id: int  # with pairs enough to be trained
    version_id: int
    adapted_id: int  # the version that plays, which has an adapter
    entry_id: uuid.UUID
    match_id: int
    run_id: int
    transfer_id: uuid.UUID
    space_id: int  # where the student has its pairs
    slug: str  # where the entry waits
    tournament_id: int  # in which the student is registered
    registration_id: uuid.UUID
    open_tournament_id: int  # in which nobody is
    token_id: int  # of the API
    export_id: int
    failed_export_id: int
    hook_id: int  # a webhook, of which one delivery was given up
    delivery_id: int

    @property
    def balance(self) -> int:
        return wallet_balance(self.owner_id).available

    @property
    def secrets(self) -> tuple[str, ...]:
        """What only the owner may read, as pages or as reads spell it."""
        return (
            PROMPT,
            TOKEN_NAME,
            EXPORTED,
            HOOK_URL,
            str(SEED),
            f"{PRICE:,}",
            f"price_credits={PRICE}",
            f"{self.balance:,}",
            f"available={self.balance}",
            f"{STOP_LOSS:,}",
            # Not the five digits alone, which some digest or other holds.
            *(f"{before}{STOP_LOSS}" for before in ("=", ":", ": ", '"', ">")),
        )


def make_two_people() -> TwoPeople:
    base = make_base()
    owner, rival = make_user(), make_user(credits=100)
    for _ in range(4):
        transfer_id = uuid.uuid4()
        wallet.top_up_sandbox(owner.pk, amount_credits=999, transfer_id=transfer_id)
    agent, student, rivals = (
        create_agent(
            user.pk,
            name=name,
            base_model_id=base.pk,
            prompt=prompt,
            sampling=SAMPLING,
            learning={},
        )
        for user, name, prompt in (
            (owner, "Secretive", PROMPT),
            (owner, "Student", PROMPT),
            (rival, "Rival", "Win."),
        )
    )
    learning = DPOConfig(seed=SEED).as_json()
    for own in (agent, student):
        set_learning(owner.pk, agent_id=own.pk, learning=learning, is_training_enabled=True)
    match = _played(agent, rivals)
    space, waiting = make_space(), make_space()
    make_pairs_for(student, count=8, wins=4, space=space)
    entry_id = enter(agent, waiting)
    for _ in range(2):  # one that was stopped, and one that is on
        autopilot.switch_off(owner.pk, agent_id=agent.pk)
        autopilot.switch_on(
            owner.pk, agent_id=agent.pk, space_slugs=[waiting.slug], limits=AUTOPILOT_LIMITS
        )
    _submit_attack(owner.pk)
    run = make_offer(agent, match.space, price_credits=PRICE)
    _practised(run.pk, match)
    export_id, failed_export_id = _exported(owner.pk)
    version = agent.versions.get(number=1)
    PracticeMatch.objects.create(id=uuid.uuid4(), match=match, agent=agent, user=owner)
    tournament = make_tournament(space, fee_credits=0)
    hook, delivery = _hooks_of(owner)
    return TwoPeople(
        owner_id=owner.pk,
        rival_id=rival.pk,
        rivals_agent_id=rivals.pk,
        agent_id=agent.pk,
        student_id=student.pk,
        version_id=version.pk,
        adapted_id=run.parent_version_id,
        entry_id=entry_id,
        match_id=match.pk,
        run_id=run.pk,
        transfer_id=transfer_id,
        space_id=space.pk,
        slug=waiting.slug,
        tournament_id=tournament.pk,
        registration_id=register(tournament, student).pk,
        open_tournament_id=make_tournament(space, fee_credits=0).pk,
        token_id=_token_of(owner.pk),
        export_id=export_id,
        failed_export_id=failed_export_id,
        hook_id=hook.pk,
        delivery_id=delivery.pk,
    )


def _submit_attack(user_id: int) -> None:
    bounty = Bounty.objects.create(
        user_id=user_id,
        judge=Judge.objects.get(slug="reader"),
        template=ATTACK,
        hold_id=uuid.uuid4(),
        fee_credits=5,
        prize_credits=100,
    )
    with transaction.atomic():
        ledger.hold(
            bounty.hold_id,
            debit=ledger.account_of(user_id),
            credit=ledger.house_account(),
            amount=bounty.fee_credits,
            code=TransferCode.BOUNTY,
            reference=f"bounty:{bounty.pk}",
        )


def _exported(user_id: int) -> tuple[int, int]:
    """An export that is whole, and one that failed."""
    now = timezone.now()
    whole, failed = (
        Export.objects.create(
            owner_id=user_id,
            request_id=uuid.uuid4(),
            selection=selection,
            format="preference",
            container="jsonl",
            state=state,
            up_to_id=0,
            finished_at=now,
            expires_at=now + timedelta(days=1),
        )
        for selection, state in (
            ({"spaces": [EXPORTED]}, ExportState.WHOLE),
            ({}, ExportState.FAILED),
        )
    )
    return whole.pk, failed.pk


def _hooks_of(owner: User) -> tuple[Webhook, Delivery]:
    """One that works, with its delivery, and one that the site paused."""
    hook, _ = (
        Webhook.objects.create(
            owner=owner,
            url=HOOK_URL,
            events=[HookEvent.MATCH_FINISHED],
            sealed_secret=seal("whsec_bm90aGluZw=="),
            paused_at=timezone.now() if reason else None,
            pause_reason=reason,
        )
        for reason in ("", "Every try failed for 3 days.")
    )
    delivery = Delivery.objects.create(
        webhook=hook,
        event_id=uuid.uuid4(),
        kind=HookEvent.MATCH_FINISHED,
        body=f'{{"type": "match.finished", "to": "{HOOK_URL}"}}',
        status=DeliveryStatus.DEAD,
        attempts=9,
    )
    return hook, delivery


def _token_of(user_id: int) -> int:
    create_token(user_id, name=TOKEN_NAME, scopes=list(Scope))
    return ApiToken.objects.get(user_id=user_id).pk


def all_rows() -> Mapping[str, list[dict[str, Any]]]:
    """Every row of the product, to be compared with the rows after a call."""
    return {
        model._meta.label: list(model._default_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.app_label in ROOMS
    }


def _played(*agents: Agent) -> Match:
    judge, _ = Judge.objects.get_or_create(
        slug="reader", defaults={"name": "Reader", "kind": JudgeKind.PAIRWISE}
    )
    space = make_space(panel=[{"judge": judge.slug, "weight": 1.0}])
    for agent in agents:
        enter(agent, space)
    (match_id,) = seating.seat_matches(space.pk, rng=Random(1))
    match = Match.objects.get(id=match_id)
    play_to_the_end(match, judge=judge.slug)
    harvest_matches()
    return match


def _practised(run_id: int, match: Match) -> None:
    seat = match.seats.get(agent__name="Secretive")
    Rollout.objects.create(
        run_id=run_id,
        version=seat.version,
        round=Round.objects.get(match=match, number=1),
        index=0,
        text="An answer of practice.",
        prompt_token_ids=[1],
        token_ids=[1],
        logprobs=[-0.5],
        finish_reason="stop",
        sampling=SAMPLING,
    )
