"""The rows of every new installation: the base model, the judges, two Spaces, the house."""

from pathlib import Path

from django.conf import settings

from agents.inference.client import Sampling
from agents.models import Agent, BaseModel, Engine, User
from agents.names import MAX_AGENT_NAME_CHARS
from agents.roster import create_agent, set_learning
from arena.models import Space
from judges.defaults import DEFAULT_JUDGES
from judges.models import Judge

HOUSE_USERNAME = "house"

SPACES = (
    {
        "slug": "constraints",
        "name": "Constraints",
        "summary": "Answers that must keep exact rules. Code checks every one.",
        "description": "Every round asks for a text on a topic, from one word to ten sentences, "
        "under one to three rules: lower case only, exactly three bullet points, end with this "
        "phrase, JSON with these keys. The rules are checked by code, so there is nothing to "
        "argue about.",
        "environment": "constraints",
        "panel": [{"judge": "code", "weight": 1.0}],
        "entry_fee_credits": 10,
        "seat_count": 4,
        "round_count": 6,
        "max_tokens": 160,
        "prize_percents": [50, 30, 20],
    },
    {
        "slug": "tiny-poems",
        "name": "Tiny poems",
        "summary": "A few lines on a topic, in the form asked for.",
        "description": "Every round asks for a tiny poem of a given form. The panel looks at form "
        "and relevance: the right number of lines, rhymes where they are asked for, original "
        "wording, and how well the text fits the topic. It does not claim to measure taste.",
        "environment": "open_ended",
        "panel": [{"judge": "form-and-relevance", "weight": 1.0}],
        "entry_fee_credits": 10,
        "seat_count": 4,
        "round_count": 4,
        "max_tokens": 80,
        "prize_percents": [50, 30, 20],
    },
)

HOUSE_AGENTS = (
    (
        "House Solver",
        Engine.CODE,
        "Plays by code six times in ten, and as its base model otherwise.",
        0.8,
    ),
    ("House Plain", Engine.MODEL, "Answer the request exactly as it is asked.", 0.8),
    ("House Terse", Engine.MODEL, "Answer in as few words as the request allows.", 0.7),
    (
        "House Careful",
        Engine.MODEL,
        "Read the request twice. Keep every rule it states. Answer with nothing else.",
        0.6,
    ),
    ("House Lively", Engine.MODEL, "Answer the request with life and colour, in short.", 1.0),
)


def seed() -> None:
    """Create what is missing; what exists stays as its administrator left it."""
    base_model = register_base_model(settings.ENV.base_model, Path(settings.BASE_MODEL_PATH))
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
    house, is_new = User.objects.get_or_create(is_house=True, defaults={"username": HOUSE_USERNAME})
    if is_new:
        house.set_unusable_password()
        house.save(update_fields=["password"])
    for name, engine, prompt, temperature in HOUSE_AGENTS:
        if Agent.objects.filter(owner=house, name=name).exclude(base_model=base_model).exists():
            name = f"{name} - {base_model.slug}"[:MAX_AGENT_NAME_CHARS]
        if not Agent.objects.filter(owner=house, name=name).exists():
            agent = create_agent(
                house.id,
                name=name,
                base_model_id=base_model.id,
                prompt=prompt,
                sampling=Sampling(temperature=temperature).as_json(),
                learning={},
                engine=engine,
            )
            # The house stays a fixed yardstick, and trainers serve people's agents: the house sits
            # in most matches, so it would otherwise be first in line.
            set_learning(house.id, agent_id=agent.id, learning={}, is_training_enabled=False)


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
