"""The playground: one or two versions of one's own answer beside each other, as it comes."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict
from itertools import groupby
from typing import Any

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from agents.errors import NotAvailable, Refused
from agents.inference.chat import MAX_CHAT_TOKENS
from agents.inference.replies import InferenceUnavailable
from arena.talks.charging import tab_of
from arena.talks.naming import NamedVersion, named_versions
from arena.talks.price import TOKENS_A_UNIT
from arena.talks.talking import Spoken, TalkPlan, plan_talk, talk
from frontend.openai.asking import ChatBody
from frontend.openai.errors import EndpointError
from frontend.pages.edge import SignedInRequest, not_cached, owner_page

NO_MODEL = "No model answers now. Nothing is charged; try again in a little while."


@owner_page()
def playground(request: SignedInRequest) -> HttpResponse:
    """Without script it only shows what there is to talk to, and what it costs."""
    versions = named_versions(request.user.pk)
    names = {each.name for each in versions}
    playing = next((each.name for each in versions if each.is_current), None)
    first, second = (request.GET.get(side, "") for side in ("first", "second"))
    context = {
        "agents": _by_agent(versions),
        "sides": (
            ("first", "First version", first if first in names else playing),
            ("second", "Second version", second if second in names else ""),
        ),
        "tab": asdict(tab_of(request.user.pk)),
        "unit_tokens": TOKENS_A_UNIT,
        "longest_answer": MAX_CHAT_TOKENS,
    }
    return not_cached(render(request, "talks/playground.html", context))


@owner_page()
def tab(request: SignedInRequest) -> HttpResponse:
    """What the viewer can pay for talks with, now."""
    return not_cached(JsonResponse(asdict(tab_of(request.user.pk))))


@owner_page("POST")
def answer(request: SignedInRequest) -> HttpResponseBase:
    """One answer: lines of JSON with text, then with how it ended, or with a sentence on why not.

    The body is that of the endpoint for programs.
    """
    try:
        asked = ChatBody.read(request)
        plan = plan_talk(
            request.user.pk,
            name=asked.model,
            messages=[message.plain for message in asked.messages],
            changes=asked.changes,
        )
    except (EndpointError, Refused) as error:
        status = 404 if isinstance(error, NotAvailable) else 422
        return JsonResponse({"error": str(error)}, status=status)
    response = StreamingHttpResponse(_lines(plan), content_type="application/x-ndjson")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


async def _lines(plan: TalkPlan) -> AsyncIterator[bytes]:
    try:
        async with aclosing(talk(plan)) as pieces:
            async for piece in pieces:
                yield _line(
                    {"end": asdict(piece)} if isinstance(piece, Spoken) else {"text": piece}
                )
    except Refused as error:
        yield _line({"error": str(error)})
    except InferenceUnavailable:
        yield _line({"error": NO_MODEL})


def _line(content: dict[str, Any]) -> bytes:
    return f"{json.dumps(content, ensure_ascii=False)}\n".encode()


def _by_agent(versions: tuple[NamedVersion, ...]) -> list[tuple[str, list[NamedVersion]]]:
    """The agent with the newest version first."""
    order = {name: place for place, name in enumerate(dict.fromkeys(map(_agent_of, versions)))}
    ordered = sorted(versions, key=lambda each: order[_agent_of(each)])
    groups = (list(found) for _, found in groupby(ordered, key=_agent_of))
    return [(found[0].agent_name, found) for found in groups]


def _agent_of(version: NamedVersion) -> str:
    return version.name.partition(".")[0]
