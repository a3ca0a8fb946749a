"""Spaces: what is played, entering, and waiting for the match."""

import uuid
from bisect import bisect
from contextlib import suppress
from itertools import accumulate
from random import Random

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from agents.errors import Refused
from agents.names import stored_form
from arena.environments import ENVIRONMENTS
from arena.environments.base import Environment, EnvironmentFault, Split
from arena.matches.practice.practising import practice_left, practise
from arena.queries import (
    Curriculum,
    LengthControl,
    SpaceAudience,
    SpaceCard,
    agent_cards,
    audience_of_space,
    curriculum_of,
    leaderboard,
    length_control,
    newest_matches,
    next_commitments,
    owner_results,
    queue_state,
    seasons_of,
    space_agreement,
    space_card,
    space_cards,
    usual_wait,
    wallet_balance,
)
from arena.spaces.entering import MAX_LIVE_ENTRIES, enter_space, leave_queue
from frontend.charts import curve
from frontend.forms import EnterForm, PracticeForm
from frontend.pages.edge import (
    MAX_ID_DIGITS,
    SignedInRequest,
    not_cached,
    owner_page,
    public_page,
    refuse,
    viewer_id,
)
from frontend.sharing import Shared

EXAMPLE_COUNT = 3
# How much of each pool, from the easiest to the hardest, is easier than its example: so the three differ
# even before anybody has answered.
EXAMPLE_SHARES = (0.25, 0.5, 0.75)


@public_page()
def space_list(request: HttpRequest) -> HttpResponse:
    return render(request, "spaces/list.html", {"spaces": space_cards()})


@public_page()
def space_detail(request: HttpRequest, slug: str) -> HttpResponse:
    return _space_page(request, space_card(slug))


@owner_page("GET", "HEAD", "POST")
def enter(request: SignedInRequest, slug: str) -> HttpResponse:
    space = space_card(slug)
    if request.method != "POST":  # back from signing in after a refusal was shown
        return redirect("space", slug=slug)
    cards = agent_cards(request.user.pk, with_records=False)
    offered = [a for a in cards if a.base_model_id == space.base_model_id]
    form = EnterForm(request.POST, choices=[(agent.agent_id, agent.name) for agent in offered])
    if not form.is_valid():
        refusal = "The form was incomplete and has been restored. Please try again."
        if "agent" in form.errors:
            refusal = "Choose one of your agents to enter."
        fee = form.cleaned_data.get("fee")
        return _space_page(request, space, refusal=refusal, fee=fee)
    try:
        entered = enter_space(
            request.user.pk,
            agent_id=form.cleaned_data["agent"],
            space_slug=slug,
            entry_id=form.cleaned_data["entry_id"],
            agreed_credits=form.cleaned_data["fee"],
            agreed_terms=form.cleaned_data["terms"],
        )
    except Refused as error:
        agent, fee = form.cleaned_data["agent"], form.cleaned_data["fee"]
        return _space_page(request, space, refusal=str(error), chosen=agent, fee=fee)
    return redirect("entry", entry_id=entered.id)


@owner_page("GET", "HEAD", "POST")
def practise_here(request: SignedInRequest, slug: str) -> HttpResponse:
    """Starts a practice match and leads to it."""
    space = space_card(slug)
    if request.method != "POST":  # back from signing in after a refusal was shown
        return redirect("space", slug=slug)
    cards = agent_cards(request.user.pk, with_records=False)
    form = PracticeForm(request.POST, choices=[(agent.agent_id, agent.name) for agent in cards])
    if not form.is_valid():
        refusal = "Choose one of your agents to practise."
        return _space_page(request, space, practice_refusal=refusal)
    agent = form.cleaned_data["agent"]
    try:
        practice = practise(
            request.user.pk,
            agent_id=agent,
            space_slug=slug,
            practice_id=form.cleaned_data["key"],
        )
    except Refused as error:
        return _space_page(request, space, practice_refusal=str(error), chosen=agent)
    return redirect("match", match_id=practice.match_id)


@owner_page()
def entry(request: SignedInRequest, entry_id: uuid.UUID) -> HttpResponse:
    """The waiting room; once seated, it leads to the match, with or without script."""
    state = queue_state(entry_id, viewer=request.user.pk)
    if state.match_id is not None:
        if request.htmx:  # type: ignore[attr-defined]
            # Replaces the waiting room in the browser's history: see site.ts.
            return HttpResponse(status=204, headers={"HX-Leave-For": f"/matches/{state.match_id}/"})
        return redirect("match", match_id=state.match_id)
    name = "spaces/entry.html#state" if request.htmx else "spaces/entry.html"  # type: ignore[attr-defined]
    return not_cached(
        render(request, name, {"state": state, "space": space_card(state.space_slug)})
    )


@owner_page("POST")
def leave(request: SignedInRequest, entry_id: uuid.UUID) -> HttpResponse:
    try:
        left = leave_queue(request.user.pk, entry_id=entry_id)
    except Refused as error:
        refuse(request, error)
        return redirect("entry", entry_id=entry_id)
    return redirect("space", slug=left.space.slug)


@public_page()
def owner(request: HttpRequest, slug: str, username: str) -> HttpResponse:
    """All of one owner's agents in a Space, so that nobody shows only the luckiest one."""
    space, username = space_card(slug), stored_form(username)
    context = {
        "space": space,
        "username": username,
        "standings": owner_results(space.space_id, username),
    }
    return render(request, "spaces/owner.html", context)


@public_page()
def seasons(request: HttpRequest, slug: str) -> HttpResponse:
    """The month that is being played, and the hall of past ones."""
    space = space_card(slug)
    context = {"space": space, "seasons": seasons_of(space.space_id)}
    return render(request, "spaces/seasons.html", context)


# A fit takes a part of a second, and one match changes little.
length_controls: Shared[LengthControl] = Shared(
    max_bytes=4_000_000, keep_seconds=600.0, size_of=lambda control: 20_000
)

# The same for the audience: it reads up to two thousand votes.
audiences: Shared[SpaceAudience] = Shared(
    max_bytes=4_000_000, keep_seconds=60.0, size_of=lambda audience: 4_000
)


def length_control_shown(space_id: int) -> LengthControl:
    """As it was some minutes ago, perhaps."""
    return length_controls.get(space_id, lambda: length_control(space_id))


def audience_shown(space_id: int) -> SpaceAudience:
    """As it was a minute ago, perhaps."""
    return audiences.get(space_id, lambda: audience_of_space(space_id))


def _space_page(
    request: HttpRequest,
    space: SpaceCard,
    *,
    refusal: str = "",
    practice_refusal: str = "",
    chosen: int | None = None,
    fee: int | None = None,
) -> HttpResponse:
    user_id = viewer_id(request)
    tier = space.tier(_number(request.GET.get("fee", "")) if fee is None else fee)
    curriculum = _curriculum(space)
    standings = leaderboard(space.space_id, limit=25)
    live, recent = newest_matches(space_slug=space.slug, live=4, recent=6)
    context = {
        "space": space,
        "tier": tier,
        "refusal": refusal,
        "practice_refusal": practice_refusal,
        "practice_a_day": settings.ENV.practice_a_day,
        "house_stake": settings.ENV.house_stake,
        "standings": standings,
        "live": live,
        "recent": recent,
        "curriculum": curriculum,
        "examples": _examples(space, curriculum),
        "commitments": next_commitments(space.space_id),
        "expected": usual_wait(space.space_id, fee_credits=tier.fee_credits),
    }
    if space.is_judged:
        control = length_control_shown(space.space_id)
        context |= {
            "audience": audience_shown(space.space_id),
            "control": control,
            "length_lines": control.lines(standings),
        }
    if len(space.panel) > 1 and (agreement := space_agreement(space.space_id)):
        context |= {"agreement": agreement, "agreement_curve": curve(agreement.by_match)}
    if user_id is not None:
        agents = agent_cards(user_id, with_records=False)
        fitting = [agent for agent in agents if agent.base_model_id == space.base_model_id]
        free = [agent for agent in fitting if not agent.is_busy]
        if chosen is None:
            chosen = _number(request.GET.get("agent", ""))
        context |= {
            "chosen": chosen,
            "form": EnterForm.offering(
                free, fee=tier.fee_credits, terms=space.terms.stamp, chosen=chosen
            ),
            "practice_form": PracticeForm.offering(free, chosen=chosen),
            "practice_left": practice_left(user_id),
            "fitting": fitting,
            "free": free,
            "busy": [agent for agent in fitting if agent.is_busy],
            "most_live": MAX_LIVE_ENTRIES,
            "is_full": sum(agent.is_busy for agent in agents) >= MAX_LIVE_ENTRIES,
            "balance": wallet_balance(user_id),
        }
    status = 422 if refusal or practice_refusal else 200
    # Each form has an id of its own; a page from the browser's cache would send an old one.
    return not_cached(render(request, "spaces/detail.html", context, status=status))


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < MAX_ID_DIGITS else None


def _curriculum(space: SpaceCard) -> Curriculum | None:
    with suppress(EnvironmentFault):  # the page has everything else
        return curriculum_of(space.space_id, space.environment)
    return None


def _examples(space: SpaceCard, curriculum: Curriculum | None) -> list[dict[str, str]]:
    """Real tasks of the kind that matches use, the same ones for everybody."""
    environment = ENVIRONMENTS.get(space.environment)
    if environment is None:
        return []
    rng = Random(f"examples of {space.slug}")
    found: dict[str, str] = {}
    with suppress(EnvironmentFault):  # the page has everything else
        if curriculum:
            found = _of_each_pool(environment, curriculum, rng)
        else:
            for _ in range(EXAMPLE_COUNT * 8):
                task = environment.make_task(rng, Split.TRAIN)
                found.setdefault(task.kind, task.prompt)
                if len(found) == EXAMPLE_COUNT:
                    break
    return [{"kind": kind, "prompt": prompt} for kind, prompt in found.items()]


def _of_each_pool(environment: Environment, curriculum: Curriculum, rng: Random) -> dict[str, str]:
    """A task of each pool, of a level that is usual in it, by the words for the two."""
    found = {}
    for (name, weights), share in zip(curriculum.pools.items(), EXAMPLE_SHARES, strict=True):
        level = bisect(list(accumulate(weights)), share * sum(weights))
        task = environment.make_task(rng, Split.TRAIN, level)
        found[f"{name}, level {level + 1}"] = task.prompt
    return found
