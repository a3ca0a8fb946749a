"""Spaces that a package's environment plays: matches, and what happens when it fails or is gone."""

import importlib
import re
import sys
import uuid
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from structlog.testing import capture_logs

from agents.errors import Refused
from agents.inference import patience
from agents.inference.client import Message, ServedModel
from arena.credits import ledger
from arena.environments import ENVIRONMENTS
from arena.matches import judging, play, runner
from arena.models import Match, Space
from arena.plugins.environment import PluginEnvironment
from arena.plugins.tests.builders import NAUGHTY, install
from arena.queries import longest_exchange
from arena.states import MatchStatus
from arena.tests.builders import enter, make_agent, make_match, make_space, make_user
from arena.tests.scripted import ScriptedModel

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginEnvironment]:
    folder: Path = tmp_path_factory.mktemp("packages")
    install(folder, NAUGHTY, offers={"naughty": "Naughty"})
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    plugin = PluginEnvironment("naughty")
    yield plugin
    plugin.close()
    sys.path.remove(str(folder))


@pytest.fixture
def space(plugin: PluginEnvironment, monkeypatch: pytest.MonkeyPatch) -> Space:
    monkeypatch.setitem(ENVIRONMENTS._known, plugin.slug, plugin)
    monkeypatch.setattr(patience, "EAGER_PAUSES_SECONDS", (0.0,))
    # It has rested after what earlier tests made it do.
    monkeypatch.setattr(plugin._host, "_rests_until", 0.0)
    monkeypatch.setattr(plugin._host, "_faults", 0)
    return make_space(environment=plugin.slug, round_count=1)


def played(space: Space, monkeypatch: pytest.MonkeyPatch, *, says: str) -> Match:
    def script(model: ServedModel, messages: Sequence[Message]) -> str:
        return says

    match, owner = make_match(space), uuid.uuid4()
    monkeypatch.setattr(runner, "Inference", ScriptedModel(script))
    assert play.claim_match(match.id, owner=owner)
    runner.play_match(match.id, owner=owner)
    for round_id in match.rounds.values_list("id", flat=True):
        judging.judge_round(round_id)
    match.refresh_from_db()
    return match


def test_a_packages_environment_plays_a_match_to_its_end(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert played(space, monkeypatch, says="fine").status == MatchStatus.SETTLED
    assert ledger.audit().problems == ()


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        ("raise", r"act\(\) failed: ZeroDivisionError: division by zero \(naughty.py, line \d+\)"),
        ("hang", r"act\(\) took longer than 2 seconds"),
        ("write", r"act\(\) failed: PermissionError: .*written"),
        ("NaN", r"act\(\) failed: ValueError: Out of range float values are not JSON compliant"),
        ("two", r"score\(\) gave a wrong answer: .* not a number from 0 to 1"),
    ],
)
def test_a_packages_fault_voids_the_match_and_refunds_every_fee(
    space: Space,
    plugin: PluginEnvironment,
    monkeypatch: pytest.MonkeyPatch,
    says: str,
    sentence: str,
) -> None:
    if says == "hang":  # the others have the usual time
        monkeypatch.setattr(plugin._host, "_call_seconds", 2.0)
    with capture_logs() as logged:
        match = played(space, monkeypatch, says=says)
    assert match.status == MatchStatus.CANCELLED
    told = [
        play.state_of(match).cancel_reason,
        match.events.get(kind="match_cancelled").payload["reason"],
        *match.entries.values_list("cancel_reason", flat=True),
        *(
            each["fault"]
            for each in logged
            if each["event"] in {"match_cancelled", "environment_failed"}
        ),
    ]
    assert len(told) == 5
    for reason in told:
        assert re.match(rf"The environment plugin/naughty failed: {sentence}", reason)
    package = find_spec("naughty")
    assert package is not None
    assert not Path(package.origin or "").with_name("written").exists()
    balances = {ledger.balance(ledger.account_of(each.user_id)) for each in match.entries.all()}
    assert balances == {ledger.Balance(100, 0)}
    assert ledger.audit().problems == ()


def test_a_space_whose_package_is_gone_says_so_and_disturbs_nobody(client: Client) -> None:
    gone, other = make_space(environment="plugin/gone"), make_space(max_tokens=50)
    assert longest_exchange(other.base_model_id) == 120 + 50
    with pytest.raises(Refused, match=f"^{gone.name} cannot be played now. There is no env"):
        enter(make_agent(make_user(credits=100)), gone)
    assert client.get(f"/spaces/{gone.slug}/").status_code == 200
    with pytest.raises(ValidationError) as caught:
        gone.full_clean()
    (sentence,) = caught.value.message_dict["environment"]
    assert sentence.endswith("PLUGIN_ENVIRONMENTS does not name gone.")


def test_a_space_has_no_more_seats_than_its_environment(space: Space) -> None:
    space.seat_count = 5
    with pytest.raises(ValidationError) as caught:
        space.full_clean()
    assert caught.value.message_dict["seat_count"] == ["Naughty is played by 1 to 4 seats."]
