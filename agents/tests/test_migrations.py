"""Names of before the keys stay as they were, whatever they look like."""

from collections.abc import Iterator

import pytest
from django.apps.registry import Apps
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.models import Adapter, Agent, ApiToken, User
from agents.names import name_key
from arena.config.tests.rewinding import migrate, migrate_to_today, rewound

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = [("agents", "0004_adapter_refusal")]


@pytest.fixture
def before() -> Iterator[Apps]:
    with rewound(BEFORE) as apps:
        yield apps


def test_names_that_looked_alike_before_stay_and_the_oldest_has_the_key(before: Apps) -> None:
    users, agents = (before.get_model("agents", name).objects for name in ("User", "Agent"))
    base = before.get_model("agents", "BaseModel").objects.create(slug="t", served_name="t")
    names = ["ruler", "rul\u0435r", "zoe\u0308", "zo\xeb", "bob@rlfc.invalid", "admin"]
    ids = [users.create(username=name, password="!").pk for name in names]
    first, second = (
        agents.create(owner_id=ids[0], name=name, base_model=base, engine="model").pk
        for name in ("Ruler", "\uff32uler")
    )
    agents.create(owner_id=ids[1], name="Ruler", base_model=base, engine="model")
    migrate_to_today()

    assert list(User.objects.order_by("id").values_list("username", flat=True)) == names
    keys = dict(User.objects.values_list("id", "username_key"))
    assert [keys[each] for each in ids[:3]] == ["ruler", f"ruler\n{ids[1]}", name_key("zo\xeb")]
    of_agents = dict(Agent.objects.values_list("id", "name_key"))
    assert sorted(of_agents.values()) == ["ruler", "ruler", f"ruler\n{second}"]
    late = User.objects.get(id=ids[1])
    late.save()
    assert late.username_key == f"ruler\n{ids[1]}", "saving it again is no clash"
    Agent.objects.filter(id=first).update(name="\u0915\u093f" * 60)

    earlier = migrate(BEFORE).get_model("agents", "Agent").objects.get(pk=first)
    assert len(earlier.name) == 60
    assert earlier.name.endswith(f" {first}")


def test_versions_of_before_people_could_leave_never_change_and_so_it_is_again(
    before: Apps,
) -> None:
    def refuses(apps: Apps) -> None:
        versions = apps.get_model("agents", "AgentVersion").objects
        with pytest.raises(IntegrityError, match="immutable"), transaction.atomic():
            versions.update(prompt="")

    owner = before.get_model("agents", "User").objects.create(username="one", password="!")
    base = before.get_model("agents", "BaseModel").objects.create(slug="t", served_name="t")
    agent = before.get_model("agents", "Agent").objects.create(
        owner=owner, name="One", base_model=base, engine="model"
    )
    before.get_model("agents", "AgentVersion").objects.create(
        agent=agent, number=1, prompt="Mine.", sampling={}, origin="created"
    )
    refuses(before)
    today = migrate_to_today()
    refuses(today)
    User.objects.update(leaving_since=timezone.now())
    refuses(migrate(BEFORE))


def test_a_token_that_could_read_may_order_exports_as_before() -> None:
    before = [("agents", "0013_inference_servers")]
    with rewound(before) as apps:
        owner = apps.get_model("agents", "User").objects.create(username="one", password="!")
        tokens = apps.get_model("agents", "ApiToken").objects
        for scopes in (["play", "read"], ["agents"]):
            tokens.create(user=owner, name="One", digest=scopes[0], scopes=scopes)
        migrate_to_today()
        of_today = dict(ApiToken.objects.values_list("digest", "scopes"))
        assert of_today == {"play": ["read", "export", "play"], "agents": ["agents"]}

        ApiToken.objects.create(user_id=owner.pk, name="One", digest="export", scopes=["export"])
        earlier = migrate(before).get_model("agents", "ApiToken").objects
        scopes_of = dict(earlier.values_list("digest", "scopes"))
        assert scopes_of == {"play": ["read", "play"], "agents": ["agents"]}


def test_the_house_agents_of_before_become_references_and_no_others() -> None:
    with rewound([("agents", "0008_code_percent")]) as apps:
        users, agents = (apps.get_model("agents", name).objects for name in ("User", "Agent"))
        base = apps.get_model("agents", "BaseModel").objects.create(slug="t", served_name="t")
        for name, is_house in (("house", True), ("ann", False)):
            owner = users.create(username=name, password="!", is_house=is_house)
            agents.create(owner=owner, name=f"{name} one", base_model=base, engine="model")
    marked = dict(Agent.objects.values_list("owner__username", "is_reference"))
    assert marked == {"house": True, "ann": False}


def test_weights_that_gave_way_before_there_was_a_date_count_as_replaced_now() -> None:
    with rewound([("agents", "0014_export_scope")]) as apps:
        owner = apps.get_model("agents", "User").objects.create(username="one", password="!")
        base = apps.get_model("agents", "BaseModel").objects.create(slug="t", served_name="t")
        agent = apps.get_model("agents", "Agent").objects.create(
            owner=owner, name="Ada", base_model=base, engine="model"
        )
        parent = None
        for number in (1, 2, 3):
            adapter = apps.get_model("agents", "Adapter").objects.create(
                digest=f"{number:064x}",
                base_model=base,
                rank=4,
                alpha=8,
                target_modules=["q_proj"],
                size_bytes=1,
            )
            parent = apps.get_model("agents", "AgentVersion").objects.create(
                agent=agent,
                number=number,
                adapter=adapter,
                parent=parent,
                prompt="Say.",
                sampling={},
            )
        agent.current_version = parent
        agent.save()
        migrate_to_today()
        dates = Adapter.objects.order_by("digest").values_list("replaced_at", flat=True)
        assert [date is not None for date in dates] == [True, True, False]
