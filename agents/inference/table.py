"""Which servers may be asked for which base model."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from django.conf import settings
from django.db.models import Q

from agents.models import InferenceServer

NO_ANSWER = "It does not answer."
NOT_SERVED = "No inference server has this base model."


@dataclass(frozen=True)
class ServerTable:
    """The servers' URLs. `shared` are asked for every base model that has none of its own."""

    shared: Sequence[str]
    own: Mapping[str, Sequence[str]] = field(default_factory=dict)  # by the base's served name
    problems: Mapping[str, str] = field(default_factory=dict)  # by URL: why it is left out

    def urls(self, base: str) -> list[str]:
        """Those that may be asked for this base model; none if all are left out."""
        return [url for url in self._all(base) if url not in self.problems]

    def count(self, base: str) -> int:
        """How many can be kept busy at once; 1 if there is none, which the first request tells."""
        return len(self.urls(base)) or 1

    @property
    def size(self) -> int:
        """How many may be asked for anything."""
        return len({*self.shared, *chain(*self.own.values())} - self.problems.keys())

    def refusal(self, base: str) -> str:
        """Why none may be asked."""
        problems = [self.problems[url] for url in self._all(base) if url in self.problems]
        return problems[0] if problems else NOT_SERVED

    def _all(self, base: str) -> Sequence[str]:
        return self.own.get(base) or self.shared


def servers_left_out() -> Mapping[str, str]:
    """By URL: what the server lacks, or that one of a base's own does not answer."""
    rows = InferenceServer.objects.filter(~Q(problem="") | Q(is_away=True, is_shared=False))
    return {
        url: problem or NO_ANSWER
        for url, problem in rows.order_by("id").values_list("url", "problem")
    }


def shared_servers() -> ServerTable:
    """Those of VLLM_URL, whatever they can do."""
    return ServerTable(tuple(settings.VLLM_URLS))


def known_servers() -> ServerTable:
    """All servers, without those that said that they lack something."""
    own: defaultdict[str, list[str]] = defaultdict(list)
    problems = {}
    rows = InferenceServer.objects.order_by("id")
    for base, url, problem, is_shared in rows.values_list(
        "base_model__served_name", "url", "problem", "is_shared"
    ):
        if problem:
            problems[url] = problem
        if not is_shared:
            own[base].append(url)
    configured = settings.ENV.base_model
    if configured in own:
        own[configured] = [*settings.VLLM_URLS, *own[configured]]
    return ServerTable(tuple(settings.VLLM_URLS), dict(own), problems)
