"""The rows of every new installation: the base model, the judges, the Spaces, the house."""

from pathlib import Path

from django.conf import settings

from agents.inference.client import Sampling
from agents.models import Agent, BaseModel, Engine, User
from agents.names import MAX_AGENT_NAME_CHARS
from agents.roster import create_agent, set_learning
from arena.models import Space, TournamentSchedule
from arena.seeding.house import HOUSE_AGENTS
from arena.seeding.spaces import SPACES
from arena.seeding.tournaments import DAILY, DAILY_ENVIRONMENT
from judges.defaults import DEFAULT_JUDGES
from judges.models import Judge
from judges.versions import note_versions

HOUSE_USERNAME = "house"


def seed(base: BaseModel | None = None) -> BaseModel:
    """Create what is missing, for another base model if one is named; what exists stays as it is.

    Returns the base model.
    """
    base_model = base or register_base_model(
        settings.ENV.base_model, Path(settings.BASE_MODEL_PATH)
    )
    for judge in DEFAULT_JUDGES:
        Judge.objects.get_or_create(
            slug=judge.slug,
            defaults={
                "name": judge.name,
                "kind": judge.kind,
                "description": judge.description,
                "config": dict(judge.config),
            },
        )
    note_versions()
    for values in SPACES:
        if Space.objects.filter(slug=values["slug"]).exclude(base_model=base_model).exists():
            # The base model was changed: agents of one cannot play in Spaces of the other.
            values = values | {
                "slug": f"{values['slug']}-{base_model.slug}"[:50],
                "name": f"{values['name']} ({base_model.name})"[:80],
            }
        Space.objects.get_or_create(
            slug=values["slug"], defaults=values | {"base_model": base_model}
        )
    _schedule_daily(base_model)
    house, is_new = User.objects.get_or_create(is_house=True, defaults={"username": HOUSE_USERNAME})
    if is_new:
        house.set_unusable_password()
        house.save(update_fields=["password"])
    for member in HOUSE_AGENTS:
        name = member.name
        if Agent.objects.filter(owner=house, name=name).exclude(base_model=base_model).exists():
            name = f"{name} - {base_model.slug}"[:MAX_AGENT_NAME_CHARS]
        if not Agent.objects.filter(owner=house, name=name).exists():
            agent = create_agent(
                house.id,
                name=name,
                base_model_id=base_model.id,
                prompt=member.prompt,
                sampling=Sampling(temperature=member.temperature).as_json(),
                learning={},
                engine=Engine.CODE if member.code_percent else Engine.MODEL,
                code_percent=member.code_percent,
                is_reference=True,
            )
            # The house stays a fixed yardstick, and trainers serve people's agents: the house sits
            # in most matches, so it would otherwise be first in line.
            set_learning(house.id, agent_id=agent.id, learning={}, is_training_enabled=False)
    return base_model


def _schedule_daily(base_model: BaseModel) -> None:
    space = Space.objects.filter(base_model=base_model, environment=DAILY_ENVIRONMENT)
    played_in = space.order_by("id").first()
    if played_in is not None:
        TournamentSchedule.objects.get_or_create(
            slug=DAILY["slug"],
            defaults=DAILY
            | {
                "space": played_in,
                "time_zone": settings.ENV.time_zone,
                "is_active": settings.ENV.daily_tournament,
            },
        )


def register_base_model(served_name: str, path: Path) -> BaseModel:
    """The row of the base model that the configuration names.

    `path` is where the first machine keeps it; every machine reads its own folder.
    """
    names = {"smollm2-135m-instruct": "SmolLM2 135M Instruct"}
    row, _ = BaseModel.objects.get_or_create(
        served_name=served_name,
        defaults={
            "slug": served_name.lower().replace("/", "-").replace(".", "-")[:50],
            "name": names.get(served_name, served_name),
            "path": str(path),
        },
    )
    return row
