"""What every installation starts with can be played at once, and is created once."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from agents.models import Agent, BaseModel, Engine, User
from arena import sweeping
from arena.environments import ENVIRONMENTS
from arena.models import Match, Space, Tournament, TournamentSchedule
from arena.seeding import seed
from arena.seeding.house import HOUSE_AGENTS
from arena.seeding.spaces import SPACES
from arena.states import TournamentStatus
from judges.models import Judge

pytestmark = pytest.mark.django_db(transaction=True)


def test_seeding_twice_creates_everything_once_and_keeps_changes() -> None:
    seed()
    Space.objects.filter(slug="constraints").update(entry_fee_credits=99)
    seed()
    assert Space.objects.count() == len(SPACES)
    assert Space.objects.get(slug="constraints").entry_fee_credits == 99
    assert User.objects.filter(is_house=True).count() == 1


def test_seeded_spaces_are_valid_and_seat_judges_that_exist() -> None:
    seed()
    for space in Space.objects.all():
        space.full_clean()
        for seat in space.panel:
            assert Judge.objects.filter(slug=seat["judge"]).exists()


def test_there_are_twelve_spaces_each_with_a_purpose_rules_and_a_picture() -> None:
    assert len(SPACES) >= 12
    pictures = Path("frontend/templates/parts/space_icon.html").read_text()
    for values in SPACES:
        assert f'space.icon == "{values["icon"]}"' in pictures
        assert 30 <= len(values["summary"]) <= 90
        words = len(values["description"].split())
        assert 15 <= words <= 70, "rules are read in 20 seconds"
    assert len({values["icon"] for values in SPACES}) == len(SPACES)


def test_every_space_can_be_filled_by_one_person_and_the_house() -> None:
    for values in SPACES:
        environment = ENVIRONMENTS[values["environment"]]
        assert values["seat_count"] in environment.seats
        if environment.turn_limit > 1:
            assert values["round_count"] % values["seat_count"] == 0, "each seat begins as often"


def test_the_house_can_fill_every_seat_but_one_and_does_not_train() -> None:
    seed()
    house = Agent.objects.filter(owner__is_house=True)
    most_seats = max(space.seat_count for space in Space.objects.all())
    assert house.filter(engine=Engine.MODEL).count() >= most_seats - 2
    assert house.filter(engine=Engine.CODE).exists()
    assert not house.exclude(is_reference=True).exists(), "what never changes keeps the scale"
    assert not house.filter(is_training_enabled=True).exists()


def test_nobody_can_log_in_as_the_house() -> None:
    seed()
    assert not User.objects.get(is_house=True).has_usable_password()


def test_another_base_model_gets_a_house_and_spaces_of_its_own(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """The old ones stay as they are: their agents cannot play on another model."""
    seed()
    old = set(Space.objects.values_list("id", flat=True))
    monkeypatch.setattr(settings.ENV, "base_model", "org/Other-1B.instruct")
    seed()
    seed()
    other = BaseModel.objects.get(served_name="org/Other-1B.instruct")
    assert Space.objects.filter(id__in=old, base_model=other).count() == 0
    assert Space.objects.filter(base_model=other).count() == len(SPACES) == len(old)
    assert Agent.objects.filter(base_model=other, owner__is_house=True).count() == len(HOUSE_AGENTS)


def test_each_machine_reads_the_base_model_from_its_own_folder(settings: Any) -> None:
    settings.BASE_MODEL_PATH = "/first/machine"
    seed()
    settings.BASE_MODEL_PATH = "/second/machine"
    seed()
    (base,) = BaseModel.objects.all()
    assert base.folder == Path("/second/machine")
    settings.BASE_MODEL_PATH = "/first/machine"
    assert base.folder == Path("/first/machine")
    assert base.path == "/first/machine"


def test_a_base_that_this_machine_is_not_configured_for_is_where_its_row_says() -> None:
    other = BaseModel(served_name="other", path="/elsewhere")
    assert other.folder == Path("/elsewhere")
    assert BaseModel(served_name="served only").folder is None


def test_an_installation_may_go_without_a_daily_tournament(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(settings.ENV, "daily_tournament", False)
    seed()
    sweeping.run_tournaments()
    assert not Tournament.objects.exists()


def test_a_daily_tournament_is_seeded_that_the_house_can_fill_and_that_runs_by_itself() -> None:
    seed()
    seed()
    schedule = TournamentSchedule.objects.get()
    schedule.full_clean()
    house = Agent.objects.filter(owner__is_house=True)
    assert house.count() >= schedule.fewest_entrants
    sweeping.run_tournaments()
    Tournament.objects.update(starts_at=timezone.now())
    sweeping.run_tournaments()
    daily = Tournament.objects.get(status=TournamentStatus.RUNNING)
    assert daily.registrations.count() == schedule.fewest_entrants
    assert Match.objects.filter(pairing__tournament=daily).count() == 3


OWN_SPACE = {
    "slug": "our-sums",
    "name": "Sums",
    "summary": "Small sums, checked by code.",
    "environment": "arithmetic",
    "panel": [{"judge": "code", "weight": 1}],
    "entry_fee_credits": 0,
    "prize_percents": [100],
}


def seed_with(folder: Path, space: object) -> None:
    file = folder / "space.json"
    file.write_text(space if isinstance(space, str) else json.dumps(space))
    call_command("seed", "--space", file)


def test_a_space_of_a_file_is_opened_once_and_changes_to_it_stay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed_with(tmp_path, OWN_SPACE)
    space = Space.objects.get(slug="our-sums")
    assert (space.environment, space.seat_count, space.status) == ("arithmetic", 4, "open")
    Space.objects.filter(slug="our-sums").update(name="Our sums")
    seed_with(tmp_path, OWN_SPACE)
    assert Space.objects.get(slug="our-sums").name == "Our sums"
    said = capsys.readouterr().out
    assert "The Space Sums is open: /spaces/our-sums/" in said
    assert f"it stays as it is. To change it: /admin/arena/space/{space.pk}/change/" in said


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("{", "is not JSON"),
        ([OWN_SPACE], "holds no JSON object with the fields of a Space"),
        ({"slug": "our-sums"}, "summary: This field cannot be blank."),
        (
            OWN_SPACE | {"entry_fee": 4},
            "entry_fee: A Space has no such field. Do you mean entry_fee_credits?",
        ),
        (OWN_SPACE | {"base_model": 1}, "base_model: A Space has no such field."),
        (OWN_SPACE | {"seat_count": 9}, "seat_count: Arithmetic is played by 1 to 8 seats."),
        (OWN_SPACE | {"panel_size": None}, "panel_size: This field cannot be null."),
        (OWN_SPACE | {"description": None}, "description: This field cannot be null."),
        (OWN_SPACE | {"slug": "a\0"}, "slug: "),
        (OWN_SPACE | {"environment": "plugin/gone"}, "environment: "),
        (OWN_SPACE | {"prize_percents": [60]}, "prize_percents: A list of whole numbers that add"),
    ],
)
def test_what_is_wrong_with_the_space_of_a_file_is_said_field_by_field(
    tmp_path: Path, given: object, sentence: str
) -> None:
    with pytest.raises(CommandError) as caught:
        seed_with(tmp_path, given)
    assert sentence in str(caught.value)
    assert not Space.objects.filter(slug="our-sums").exists()


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(CommandError, match=r"nowhere\.json cannot be read: No such file"):
        call_command("seed", "--space", "nowhere.json")
