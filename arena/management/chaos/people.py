"""People who use the site as they please: each in a thread, through its pages, from a seed."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from django.db.models import QuerySet

from agents.models import Agent, User
from arena.management.chaos.browser import Browser
from arena.models import Autopilot, Entry, EntryStatus, Space
from arena.states import AdoptionRule
from training.models import PairCount, TrainingRun
from training.states import CLAIMABLE_STATUSES, RunStatus

AGENTS = 2
PASSWORD = "correct-horse-battery"  # noqa: S105 - of accounts that live for one command

Row = TypeVar("Row")
PAGES_OF_SPACES = 3  # whose pages are looked at after a trial


@dataclass
class Person:
    """Signed up, with agents and credits; who deletes the account comes back under another name."""

    first_name: str
    browser: Browser
    done: Counter[str] = field(default_factory=Counter)
    accounts: int = 0

    @property
    def name(self) -> str:
        return f"{self.first_name}{self.accounts}"

    def join(self) -> None:
        self.accounts += 1
        self.browser.send(
            "/accounts/signup/",
            username=self.name,
            email=f"{self.name}@example.org",
            password1=PASSWORD,
        )
        self.browser.send("/wallet/", amount="500")
        for number in range(AGENTS):
            self.create_agent(f"{self.name} {number}")

    def act(self, rng: random.Random) -> None:
        """One thing that people do, chosen by the seed."""
        verbs: dict[Callable[[random.Random], None], float] = {
            self._enter: 10,
            self._leave: 2,
            self._edit: 2,
            self._train: 4,
            self._pause: 1,
            self._resume: 1,
            self._cancel: 0.5,
            self._retire: 0.3,
            self._top_up: 1,
            self._fly: 2,
            self._land: 1,
            self._decide: 2,
            self._look: 2,
            self._delete_account: 0.3,
        }
        (verb,) = rng.choices(list(verbs), weights=list(verbs.values()))
        verb(rng)
        self.done[verb.__name__.removeprefix("_")] += 1

    def create_agent(self, name: str) -> None:
        self.browser.send("/agents/new/", name=name, prompt="Keep to the question. Be brief.")

    def end_pauses(self) -> None:
        """Let every paused run go on, so that it can end."""
        for run in self._runs().filter(status=RunStatus.PAUSED):
            self.browser.press(f"/runs/{run.pk}/resume/")

    def land_all(self) -> None:
        """Switch every autopilot off: it would enter match after match while all else rests."""
        for flying in self._autopilots():
            self.browser.press(f"/agents/{flying.agent_id}/autopilot/off/")

    def _enter(self, rng: random.Random) -> None:
        if agent := _any(rng, self._agents()):
            space = self._space(rng)
            path = f"/spaces/{space.slug}/"
            self.browser.send(path, to=f"{path}enter/", agent=str(agent.pk))

    def _leave(self, rng: random.Random) -> None:
        waiting = Entry.objects.filter(user__username=self.name, status=EntryStatus.QUEUED)
        if entry := _any(rng, list(waiting.order_by("created_at"))):
            self.browser.press(f"/entries/{entry.pk}/leave/")

    def _edit(self, rng: random.Random) -> None:
        if agent := _any(rng, self._agents()):
            prompt = f"Keep to the question. Use about {rng.randint(3, 40)} words."
            self.browser.send(f"/agents/{agent.pk}/edit/", prompt=prompt)

    def _train(self, rng: random.Random) -> None:
        """Mostly where there is most to learn from; elsewhere it may be refused."""
        counts = PairCount.objects.filter(agent__in=self._agents())
        if most := counts.order_by("-pairs", "id").first():
            space_id = most.space_id if rng.random() < 0.75 else self._space(rng).pk
            self.browser.press(f"/agents/{most.agent_id}/train/", space=str(space_id))

    def _pause(self, rng: random.Random) -> None:
        self._steer(rng, "pause")

    def _cancel(self, rng: random.Random) -> None:
        self._steer(rng, "cancel")

    def _steer(self, rng: random.Random, verb: str) -> None:
        if run := _any(rng, list(self._runs().filter(status__in=CLAIMABLE_STATUSES))):
            self.browser.press(f"/runs/{run.pk}/{verb}/")

    def _resume(self, rng: random.Random) -> None:
        if run := _any(rng, list(self._runs().filter(status=RunStatus.PAUSED))):
            self.browser.press(f"/runs/{run.pk}/resume/")

    def _decide(self, rng: random.Random) -> None:
        if run := _any(rng, list(self._runs().filter(status=RunStatus.OFFERED))):
            self.browser.press(f"/runs/{run.pk}/{rng.choice(('adopt', 'decline'))}/")

    def _retire(self, rng: random.Random) -> None:
        agents = self._agents()
        if agent := _any(rng, agents):
            self.browser.press(f"/agents/{agent.pk}/retire/")
            count = Agent.objects.filter(owner__username=self.name).count()
            self.create_agent(f"{self.name} {count}")

    def _top_up(self, rng: random.Random) -> None:
        self.browser.send("/wallet/", amount=str(rng.randint(10, 200)))

    def _fly(self, rng: random.Random) -> None:
        """Few matches, and limits that some of them reach."""
        if agent := _any(rng, self._agents()):
            matches = str(rng.randint(1, 3))
            limits = {
                "spaces": self._space(rng).slug,
                "matches": matches,
                "matches_a_day": matches,
                "adoption": rng.choice(tuple(AdoptionRule)),
            }
            limits = {f"limits-{name}": value for name, value in limits.items()}
            self.browser.send(f"/agents/{agent.pk}/autopilot/", **limits)

    def _land(self, rng: random.Random) -> None:
        if flying := _any(rng, self._autopilots()):
            self.browser.press(f"/agents/{flying.agent_id}/autopilot/off/")

    def _look(self, rng: random.Random) -> None:
        self.browser.get(rng.choice([*common_pages(), *own_pages(self.name)]))

    def _delete_account(self, rng: random.Random) -> None:
        self.browser.send("/account/delete/", password=PASSWORD)
        self.browser.forget()
        self.join()

    def _space(self, rng: random.Random) -> Space:
        """The first one three times in four, so that pairs gather there."""
        first, *others = Space.objects.order_by("id")
        return first if rng.random() < 0.75 or not others else rng.choice(others)

    def _agents(self) -> list[Agent]:
        mine = Agent.objects.filter(owner__username=self.name, retired_at=None)
        return list(mine.order_by("id"))

    def _autopilots(self) -> list[Autopilot]:
        mine = Autopilot.objects.filter(
            agent__owner__username=self.name, agent__retired_at=None, stopped_at=None
        )
        return list(mine.order_by("id"))

    def _runs(self) -> QuerySet[TrainingRun]:
        return TrainingRun.objects.filter(agent__owner__username=self.name).order_by("id")


def common_pages() -> list[str]:
    """Those that anybody can open."""
    spaces = Space.objects.order_by("id").values_list("slug", flat=True)
    found = ["/", "/how-it-works/", "/spaces/", "/matches/"]
    return found + [f"/spaces/{slug}/" for slug in spaces[:PAGES_OF_SPACES]]


def own_pages(username: str) -> list[str]:
    """What belongs to somebody who is signed in, newest rows first."""
    owner = User.objects.get(username=username)
    agent = Agent.objects.filter(owner=owner).latest("id")
    found = ["/agents/", "/wallet/"]
    found += [f"/agents/{agent.pk}/", f"/agents/{agent.pk}/edit/", f"/agents/{agent.pk}/learning/"]
    found.append(f"/agents/{agent.pk}/autopilot/")
    entry = Entry.objects.filter(user=owner).order_by("-created_at").first()
    run = TrainingRun.objects.filter(agent__owner=owner).order_by("-id").first()
    if entry:
        found.append(f"/entries/{entry.pk}/")
        found += [f"/matches/{entry.match_id}/"] if entry.match_id else []
    if run:
        found.append(f"/runs/{run.pk}/")
    return found


def _any(rng: random.Random, rows: list[Row]) -> Row | None:
    return rng.choice(rows) if rows else None
