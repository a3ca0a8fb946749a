"""Agents: the list, the workshop, and every verb on them."""

import uuid

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from agents import roster
from agents.adapters.lora import MAX_ALPHA, MAX_LORA_RANK
from agents.errors import InvalidName, NotAvailable, PromptTooLong, Refused
from agents.models import Agent
from arena import access
from arena.matches.practice.practising import practice_left
from arena.queries import (
    AgentView,
    agent_cards,
    agent_record,
    agent_view,
    autopilot_notices,
    autopilot_view,
    live_entry_of,
    longest_exchange,
    matches_of_agent,
    rating_histories,
    spaces_to_enter,
    versions_of,
    wallet_balance,
)
from arena.webhooks.records import stopped_webhooks
from frontend.adapter_forms import UploadForm
from frontend.catalog import BY_SLUG, DEFAULT_TEMPLATE, TEMPLATES
from frontend.forms import EditAgentForm, LearningForm, NewAgentForm, RenameForm
from frontend.pages.edge import (
    MAX_ID_DIGITS,
    SignedInRequest,
    not_cached,
    owner_page,
    public_page,
    refuse,
    viewer_id,
)
from training.adapters.uploading import upload_adapter, upload_terms
from training.runs.queries import (
    gate_figures,
    has_practised,
    kept_shape,
    learning_progress,
    offered_runs,
    pair_count,
    runs_of_agent,
    unjudged_versions,
)
from training.runs.starting import next_runs, request_run
from training.runs.steering import use_version

VERSIONS_OF_A_PAGE = 20
MAX_NUMBER_DIGITS = 10


@owner_page()
def agent_list(request: SignedInRequest) -> HttpResponse:
    cards = agent_cards(request.user.pk)
    ids = [card.agent_id for card in cards]
    viewer = request.user.pk
    progress, offered = learning_progress(ids, viewer=viewer), offered_runs(ids, viewer=viewer)
    notices = autopilot_notices(ids, viewer=viewer)
    context = {
        "agents": [
            (
                card,
                progress.get(card.agent_id, ()),
                offered.get(card.agent_id, ()),
                notices.get(card.agent_id),
            )
            for card in cards
        ],
        "templates": TEMPLATES[:3],
        "balance": wallet_balance(request.user.pk),
        "stopped_webhooks": stopped_webhooks(request.user.pk),
    }
    return render(request, "agents/list.html", context)


@owner_page("GET", "HEAD", "POST")
def new_agent(request: SignedInRequest) -> HttpResponse:
    chosen = BY_SLUG.get(request.GET.get("template", ""), BY_SLUG[DEFAULT_TEMPLATE])
    form = NewAgentForm.starting_from(chosen)
    if request.method == "POST":
        form = NewAgentForm(request.POST)
        if form.is_valid():
            try:
                agent = roster.create_agent(
                    request.user.pk,
                    name=form.cleaned_data["name"],
                    base_model_id=form.cleaned_data["base_model"],
                    prompt=form.cleaned_data["prompt"],
                    sampling=form.sampling(),
                    learning=form.cleaned_data["learning"],
                    exchange_tokens=longest_exchange(form.cleaned_data["base_model"]),
                )
            except InvalidName as error:
                form.add_error("name", str(error))
            except PromptTooLong as error:
                form.add_error("prompt", str(error))
            except Refused as error:
                form.add_error(None, str(error))
            else:
                messages.success(request, f"{agent.name} is ready. Enter a Space to play.")
                return redirect("agent", agent_id=agent.id)
    context = {"form": form, "templates": TEMPLATES, "chosen": chosen}
    return render(request, "agents/new.html", context, status=422 if form.errors else 200)


@public_page()
def agent_detail(request: HttpRequest, agent_id: int) -> HttpResponse:
    viewer = viewer_id(request)
    agent = agent_view(agent_id, viewer=viewer)
    record = agent_record(agent_id)
    histories = rating_histories(agent_id, space_ids=[space.space_id for space in record.spaces])
    gates, unjudged = gate_figures(agent_id), unjudged_versions(agent_id)
    before = request.GET.get("before", "")
    before_number = int(before) if before.isdecimal() and len(before) < MAX_NUMBER_DIGITS else None
    versions = versions_of(
        agent_id, viewer=viewer, before=before_number, limit=VERSIONS_OF_A_PAGE + 1
    )
    shown = versions[:VERSIONS_OF_A_PAGE]
    context = {
        "agent": agent,
        "is_owner": agent.is_own,
        "record": record,
        "curves": [(space, histories.get(space.space_id, ())) for space in record.spaces],
        "versions": [
            (version, gates.get(version.version_id), version.version_id in unjudged)
            for version in shown
        ],
        "next_before": shown[-1].number if len(versions) > len(shown) else None,
        "is_first_page": before_number is None,
        "offered": offered_runs([agent_id], viewer=viewer).get(agent_id, ()),
        "matches": matches_of_agent(agent_id, limit=8),
        "runs": runs_of_agent(agent_id, viewer=viewer, limit=10),
    }
    if viewer is None or not agent.is_own:
        return render(request, "agents/detail.html", context)
    return not_cached(render(request, "agents/detail.html", context | _workshop(agent, viewer)))


@owner_page()
def state(request: SignedInRequest, agent_id: int) -> HttpResponse:
    """The fragment with pairs, progress and the current run, refreshed while the page is open."""
    viewer = request.user.pk
    access.agent_for_owner(viewer, agent_id)
    agent = agent_view(agent_id, viewer=viewer)
    runs = runs_of_agent(agent_id, viewer=viewer, limit=10)
    context = {"agent": agent, "is_owner": agent.is_own, "runs": runs}
    context |= _learning(agent, viewer)
    return not_cached(render(request, "agents/detail.html#learning", context))


@owner_page("GET", "HEAD", "POST")
def edit(request: SignedInRequest, agent_id: int) -> HttpResponse:
    agent = _in_play(request, agent_id)
    assert agent.current_version is not None, "an agent has a version from its creation on"
    form = EditAgentForm.of(agent.current_version)
    if request.method == "POST":
        form = EditAgentForm(request.POST)
        if form.is_valid():
            try:
                version = roster.edit_agent(
                    request.user.pk,
                    agent_id=agent_id,
                    prompt=form.cleaned_data["prompt"],
                    sampling=form.sampling(),
                    exchange_tokens=longest_exchange(agent.base_model_id),
                )
            except PromptTooLong as error:
                form.add_error("prompt", str(error))
            except Refused as error:
                form.add_error(None, str(error))
            else:
                is_new = version.id != agent.current_version_id
                messages.success(
                    request,
                    f"Version {version.number} plays from the next match on."
                    if is_new
                    else "Nothing was changed, so there is no new version.",
                )
                return redirect("agent", agent_id=agent_id)
    context = {"agent": agent, "form": form}
    return render(request, "agents/edit.html", context, status=422 if form.errors else 200)


@owner_page("GET", "HEAD", "POST")
def learning(request: SignedInRequest, agent_id: int) -> HttpResponse:
    agent = _in_play(request, agent_id)
    assert agent.current_version is not None, "an agent has a version from its creation on"
    adapter = agent.current_version.adapter
    kept = kept_shape(adapter) if adapter else {}
    form = LearningForm.of(agent, kept=kept)
    if request.method == "POST":
        form = LearningForm(request.POST, kept=kept)
        if form.is_valid():
            roster.set_learning(
                request.user.pk,
                agent_id=agent_id,
                learning=form.cleaned_data["learning"],
                is_training_enabled=form.cleaned_data["is_training_enabled"],
            )
            messages.success(request, "Saved. The next training run uses these settings.")
            return redirect("agent", agent_id=agent_id)
    context = {"agent": agent, "form": form, "adapter": adapter}
    return render(request, "agents/learning.html", context, status=422 if form.errors else 200)


@owner_page("GET", "HEAD", "POST")
def rename(request: SignedInRequest, agent_id: int) -> HttpResponse:
    agent = _in_play(request, agent_id)
    form = RenameForm(initial={"name": agent.name})
    if request.method == "POST":
        form = RenameForm(request.POST)
        if form.is_valid():
            try:
                roster.rename_agent(
                    request.user.pk, agent_id=agent_id, name=form.cleaned_data["name"]
                )
            except Refused as error:
                form.add_error("name", str(error))
            else:
                return redirect("agent", agent_id=agent_id)
    context = {"agent": agent, "form": form}
    return render(request, "agents/rename.html", context, status=422 if form.errors else 200)


@owner_page("GET", "HEAD", "POST")
def upload(request: SignedInRequest, agent_id: int) -> HttpResponse:
    """The form for an adapter that was trained elsewhere."""
    agent = _in_play(request, agent_id)
    spaces = [(space.slug, space.name) for space in spaces_to_enter(agent.base_model_id)]
    played = [space.space_slug for space in agent_record(agent_id).spaces]
    form = UploadForm.fresh(spaces, chosen=next(iter(played), None))
    if request.method == "POST":
        form = UploadForm(request.POST, request.FILES, spaces=spaces)
        if form.is_valid():
            try:
                run = upload_adapter(
                    request.user.pk,
                    agent_id=agent_id,
                    space_slug=form.cleaned_data["space"],
                    files=form.sent(),
                    request_id=form.cleaned_data["request_id"],
                )
            except NotAvailable:
                raise
            except Refused as error:
                form.add_error(None, str(error))
            else:
                return redirect("run", run_id=run.pk)
    context = {
        "agent": agent,
        "form": form,
        "terms": upload_terms(agent_id, viewer=request.user.pk),
        "max_rank": MAX_LORA_RANK,
        "max_alpha": MAX_ALPHA,
    }
    page = render(request, "agents/upload.html", context, status=422 if form.errors else 200)
    return not_cached(page)


@owner_page("POST")
def activate(request: SignedInRequest, agent_id: int, version_id: int) -> HttpResponse:
    try:
        version = use_version(request.user.pk, agent_id=agent_id, version_id=version_id)
    except Refused as error:
        refuse(request, error)
    else:
        messages.success(request, f"Version {version.number} plays from the next match on.")
    return redirect("agent", agent_id=agent_id)


@owner_page("POST")
def train_now(request: SignedInRequest, agent_id: int) -> HttpResponse:
    space_id = request.POST.get("space", "")
    if not space_id.isdecimal() or len(space_id) >= MAX_ID_DIGITS:
        raise NotAvailable("There is no such Space.")
    try:
        run = request_run(request.user.pk, agent_id=agent_id, space_id=int(space_id))
    except Refused as error:
        refuse(request, error)
        return redirect("agent", agent_id=agent_id)
    return redirect("run", run_id=run.id)


@owner_page("GET", "HEAD", "POST")
def retire(request: SignedInRequest, agent_id: int) -> HttpResponse:
    """Asks first, on a page of its own, because it cannot be undone."""
    agent = _in_play(request, agent_id)
    if request.method != "POST":
        kept_days = settings.ENV.retain_adapters_days
        return render(request, "agents/retire.html", {"agent": agent, "kept_days": kept_days})
    try:
        roster.retire_agent(request.user.pk, agent_id=agent_id)
    except Refused as error:
        refuse(request, error)
        return redirect("agent", agent_id=agent_id)
    messages.success(request, f"{agent.name} is retired. Its matches stay on record.")
    return redirect("agents")


def _in_play(request: SignedInRequest, agent_id: int) -> Agent:
    agent = access.agent_for_owner(request.user.pk, agent_id)
    if agent.retired_at is not None:
        raise NotAvailable("A retired agent cannot be changed.")
    return agent


def _workshop(agent: AgentView, viewer: int) -> dict[str, object]:
    return _learning(agent, viewer) | {
        "entry": live_entry_of(agent.agent_id, viewer=viewer),
        "flown": autopilot_view(agent.agent_id, viewer=viewer),
        "balance": wallet_balance(viewer),
        # Each form has an id of its own: a double click enters once.
        "offers": [
            (space, uuid.uuid4(), uuid.uuid4()) for space in spaces_to_enter(agent.base_model_id)
        ],
        "practice_left": practice_left(viewer),
        "practice_a_day": settings.ENV.practice_a_day,
    }


def _learning(agent: AgentView, viewer: int) -> dict[str, object]:
    """What the fragment on learning shows its owner."""
    agent_id = agent.agent_id
    ahead = next_runs(agent_id, viewer=viewer)
    return {
        "progress": [
            (line, ahead.requestable.get(line.space_id))
            for line in learning_progress([agent_id], viewer=viewer).get(agent_id, ())
        ],
        "pair_count": pair_count(agent_id, viewer=viewer),
        "has_practised": has_practised(agent_id, viewer=viewer),
        "held_up": ahead.held_up,
    }
