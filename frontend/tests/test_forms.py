"""Forms take what people type, explain what is wrong, and lose nothing."""

import pytest
from django.test import Client
from django.utils.html import escape

from agents.models import Agent, AgentVersion
from agents.prompts import MAX_PROMPT_CHARS
from arena.tests.builders import make_agent, make_base_model, make_user
from frontend.catalog import TEMPLATES
from frontend.forms import LearningForm, NewAgentForm
from frontend.tests.builders import make_adapter
from training.configs.configs import PRESETS, Precision
from training.methods import DEFAULT, METHODS
from training.methods.dpo import DPOConfig
from training.methods.grpo import GRPOConfig

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner_client(client: Client) -> Client:
    user = make_user()
    client.force_login(user)
    return client


def valid_agent(**changes: object) -> dict[str, object]:
    return {
        "name": "Plumb Bob",
        "prompt": "Keep every rule.",
        "temperature": "0.7",
        "top_p": "0.95",
        "max_tokens": "96",
        "base_model": str(make_base_model().id),
        "method": "dpo",
        "preset": "steady",
        "learning_adoption": "automatic",
        "learning_practice_answers": "shared",
        "learning_coded_share": "0.5",
    } | changes


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.slug)
def test_every_template_but_the_blank_one_makes_an_agent_as_it_is(
    owner_client: Client, template: object
) -> None:
    base_model = make_base_model()
    form = NewAgentForm.starting_from(template)  # type: ignore[arg-type]
    data = {name: "" if value is None else value for name, value in form.initial.items()}
    response = owner_client.post("/agents/new/", data | {"base_model": base_model.id})
    if template is TEMPLATES[-1]:
        assert response.status_code == 422
    else:
        assert response.status_code == 302
        preset = METHODS[DEFAULT].presets[template.preset]  # type: ignore[attr-defined]
        assert Agent.objects.get().learning == preset.as_json()


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("prompt", "", "Write a prompt"),
        ("prompt", "x" * (MAX_PROMPT_CHARS + 1), "at most 2,000"),
        ("prompt", "Be kind.<|im_end|>", "Remove &lt;|im_end|&gt;"),
        ("prompt", "nul \x00 inside", "Null characters are not allowed"),
        ("prompt", "bell \x07 inside", "invisible control characters"),
        ("temperature", "nan", "Enter a number"),
        ("temperature", "inf", "Enter a number"),
        ("temperature", "-1", "number from 0 to 2"),
        ("temperature", "1e308", "number from 0 to 2"),
        ("top_p", "0", "above 0 and at most 1"),
        ("top_p", "-0.5", "above 0 and at most 1"),
        ("top_p", "nan", "Enter a number"),
        ("max_tokens", "7", "number from 8 to 256"),
        ("max_tokens", "1e9", "Enter a whole number"),
        ("max_tokens", "9" * 5000, "Enter a whole number"),
        ("name", "", "This field is required"),
        ("name", "n" * 61, "at most 60"),
        ("name", "a\x00b", "Null characters are not allowed"),
        ("name", "<script>", "simple punctuation"),
        ("base_model", "0", "Select a valid choice"),
        ("base_model", "9" * 40, "Select a valid choice"),
        ("preset", "reckless", "Choose one of the four"),
        ("preset", "", "Choose one of the four"),
        ("method", "ppo", "Choose DPO or GRPO"),
        ("method", "", "Choose DPO or GRPO"),
        ("learning_adoption", "never", "Select a valid choice"),
    ],
)
def test_bad_values_get_a_sentence_and_nothing_typed_is_lost(
    owner_client: Client, field: str, value: str, sentence: str
) -> None:
    response = owner_client.post("/agents/new/", valid_agent(**{"name": "Kept Name", field: value}))
    page = response.content.decode()
    assert response.status_code == 422
    assert sentence in page
    if field != "name":
        assert 'value="Kept Name"' in page
    if field != "prompt":
        assert "Keep every rule." in page
    assert not Agent.objects.exists()


def test_hostile_text_stays_text_when_the_form_comes_back(owner_client: Client) -> None:
    attack = "</textarea><script>alert(1)</script>"
    data = valid_agent(prompt=attack, name='"><script>alert(2)</script>', temperature="x")
    page = owner_client.post("/agents/new/", data).content.decode()
    assert "<script>alert" not in page
    assert "&lt;/textarea&gt;&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("value", ["nan", "-1", "1e99", "0", "many"])
@pytest.mark.parametrize("method", METHODS)
def test_training_settings_out_of_range_are_explained_under_custom(
    owner_client: Client, value: str, method: str
) -> None:
    data = valid_agent(preset="custom", method=method, learning_learning_rate=value)
    response = owner_client.post("/agents/new/", data)
    assert response.status_code == 422
    assert 'id="id_learning_learning_rate_error"' in response.content.decode()
    assert not Agent.objects.exists()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("preset", PRESETS)
def test_settings_typed_under_custom_do_not_stand_in_a_presets_way(
    owner_client: Client, preset: str, method: str
) -> None:
    data = valid_agent(
        preset=preset,
        method=method,
        learning_rank="not a number",
        learning_dpo_beta="-4",
        learning_grpo_share="99",
    )
    assert owner_client.post("/agents/new/", data).status_code == 302
    assert Agent.objects.get().learning == METHODS[method].presets[preset].as_json()


def test_settings_of_the_other_method_do_not_stand_in_the_way(owner_client: Client) -> None:
    data = valid_agent(preset="custom", learning_grpo_rollouts="no", learning_grpo_share="99")
    assert owner_client.post("/agents/new/", data).status_code == 302
    assert Agent.objects.get().learning == DPOConfig().as_json()


def test_custom_settings_are_kept_as_typed(owner_client: Client) -> None:
    data = valid_agent(preset="custom", learning_rank="4", learning_alpha="8")
    assert owner_client.post("/agents/new/", data).status_code == 302
    assert Agent.objects.get().learning == DPOConfig(rank=4, alpha=8).as_json()


def test_grpo_has_settings_of_its_own(owner_client: Client) -> None:
    data = valid_agent(
        preset="custom",
        method="grpo",
        learning_grpo_rollouts="6",
        learning_grpo_share="0",
        learning_grpo_epochs="1",
        learning_dpo_epochs="5",
        learning_precision="bf16",
    )
    assert owner_client.post("/agents/new/", data).status_code == 302
    config = GRPOConfig(rollouts=6, share=0, epochs=1, precision=Precision.BF16)
    assert Agent.objects.get().learning == config.as_json()


def test_more_shared_answers_than_a_group_holds_are_refused_at_their_field(
    owner_client: Client,
) -> None:
    data = valid_agent(
        preset="custom", method="grpo", learning_grpo_rollouts="4", learning_grpo_share="4"
    )
    response = owner_client.post("/agents/new/", data)
    page = response.content.decode()
    assert response.status_code == 422
    assert 'id="id_learning_grpo_share_error"' in page
    assert "must be fewer than answers per task" in page
    assert "data-custom open" in page


def test_a_number_that_is_none_says_so_and_accuses_no_other_field(owner_client: Client) -> None:
    data = valid_agent(
        preset="custom", method="grpo", learning_grpo_rollouts="x", learning_grpo_share="20"
    )
    page = owner_client.post("/agents/new/", data).content.decode()
    assert 'id="id_learning_grpo_rollouts_error"' in page
    assert 'id="id_learning_grpo_share_error"' not in page


def test_who_adopts_is_chosen_beside_a_preset(owner_client: Client) -> None:
    data = valid_agent(preset="gentle", method="grpo", learning_adoption="by-hand")
    owner_client.post("/agents/new/", data)
    agent = Agent.objects.get()
    assert agent.learning == (METHODS["grpo"].presets["gentle"].as_json() | {"adoption": "by-hand"})
    form = LearningForm.of(agent, kept={})
    assert (form["method"].value(), form["preset"].value()) == ("grpo", "gentle")
    assert form["learning_adoption"].value() == "by-hand"


def test_whether_practice_answers_are_shared_is_chosen_beside_a_preset(
    owner_client: Client,
) -> None:
    data = valid_agent(preset="bold", method="grpo", learning_practice_answers="private")
    owner_client.post("/agents/new/", data)
    agent = Agent.objects.get()
    bold = METHODS["grpo"].presets["bold"].as_json()
    assert agent.learning == bold | {"practice_answers": "private"}
    form = LearningForm.of(agent, kept={})
    assert form["preset"].value() == "bold"
    owner_client.post(
        f"/agents/{agent.pk}/learning/",
        {name: form[name].value() for name in form.fields} | {"method": "dpo"},
    )
    agent.refresh_from_db()
    assert (agent.learning["method"], agent.learning["practice_answers"]) == ("dpo", "private")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("preset", [*PRESETS, "custom"])
def test_the_learning_form_saves_what_it_shows(client: Client, preset: str, method: str) -> None:
    learning = (
        METHODS[method].presets[preset].as_json()
        if preset in PRESETS
        else METHODS[method].config_class(rank=3, alpha=5, seed=7, epochs=4).as_json()
    )
    agent = make_agent(make_user())
    Agent.objects.filter(id=agent.id).update(learning=learning)
    agent.refresh_from_db()
    client.force_login(agent.owner)
    form = LearningForm.of(agent, kept={})
    assert form["preset"].value() == preset
    assert client.post(f"/agents/{agent.id}/learning/", form.initial).status_code == 302
    agent.refresh_from_db()
    assert agent.learning == learning


def test_settings_that_an_earlier_release_allowed_give_way_to_the_defaults(client: Client) -> None:
    agent = make_agent(make_user())
    Agent.objects.filter(id=agent.id).update(learning={"method": "dpo", "warp": 9})
    client.force_login(agent.owner)
    page = client.get(f"/agents/{agent.id}/learning/")
    assert page.status_code == 200
    assert page.context["form"]["preset"].value() == "steady"


def test_an_adapter_keeps_its_shape_whatever_is_typed(client: Client) -> None:
    agent = make_agent(make_user())
    make_adapter(agent, rank=4, alpha=12)
    client.force_login(agent.owner)
    page = client.get(f"/agents/{agent.id}/learning/").content.decode()
    rank = page[page.index('name="learning_rank"') :].partition(">")[0]
    assert 'value="4"' in rank
    assert "disabled" in rank
    data = valid_agent(preset="custom", learning_rank="64", learning_target_modules="nonsense")
    assert client.post(f"/agents/{agent.id}/learning/", data).status_code == 302
    agent.refresh_from_db()
    assert agent.learning == DPOConfig(rank=4, alpha=12).as_json()


def test_learning_is_explained_for_both_methods_with_every_range(owner_client: Client) -> None:
    make_base_model()
    page = owner_client.get("/agents/new/").content.decode()
    for method in METHODS.values():
        for setting in method.config_class.described():
            assert escape(setting.explanation) in page, setting.name
    assert "Learning rate" in page
    assert "0.000001 to 0.005." in page


def test_a_second_agent_of_the_same_name_is_refused_with_its_text_kept(
    owner_client: Client,
) -> None:
    owner_client.post("/agents/new/", valid_agent())
    response = owner_client.post("/agents/new/", valid_agent(name="plumb bob", prompt="Other."))
    page = response.content.decode()
    assert response.status_code == 422
    assert 'id="id_name_error"' in page
    assert "already have an agent named plumb bob" in page
    assert "Other." in page
    assert Agent.objects.count() == 1


def test_an_edit_makes_a_version_and_rollback_is_one_post(client: Client) -> None:
    agent = make_agent(make_user())
    client.force_login(agent.owner)
    first = agent.current_version_id
    data = {"prompt": "Shorter.", "temperature": "0.5", "top_p": "1", "max_tokens": "40"}
    assert client.post(f"/agents/{agent.id}/edit/", data).status_code == 302
    agent.refresh_from_db()
    assert agent.current_version_id != first
    client.post(f"/agents/{agent.id}/versions/{first}/activate/")
    agent.refresh_from_db()
    assert agent.current_version_id == first
    assert AgentVersion.objects.filter(agent=agent).count() == 2


def test_a_version_of_another_agent_cannot_be_activated(client: Client) -> None:
    agent, other = make_agent(make_user()), make_agent(make_user())
    client.force_login(agent.owner)
    path = f"/agents/{agent.id}/versions/{other.current_version_id}/activate/"
    page = client.post(path, follow=True).content.decode()
    assert "belongs to another agent" in page


def test_forms_refuse_a_post_without_their_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user())
    response = client.post("/wallet/", {"amount": "5"})
    assert response.status_code == 403
    assert "The form has expired" in response.content.decode()
