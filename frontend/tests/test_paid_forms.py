"""Forms that move credits: entering a Space, leaving its queue, topping up."""

import re
import uuid

import pytest
from django.test import Client

from arena.credits.wallet import TOP_UP_MAX_CREDITS
from arena.models import Entry, Transfer
from arena.queries import wallet_balance
from arena.tests.builders import make_agent, make_space, make_user

pytestmark = pytest.mark.django_db


def test_a_double_click_on_enter_pays_once(client: Client) -> None:
    agent = make_agent(make_user(credits=100))
    space = make_space()
    client.force_login(agent.owner)
    data = {"agent": agent.id, "entry_id": str(uuid.uuid4()), "fee": 10}
    for _ in range(3):
        response = client.post(f"/spaces/{space.slug}/enter/", data)
        assert response.headers["Location"] == f"/entries/{data['entry_id']}/"
    assert Entry.objects.count() == 1
    assert wallet_balance(agent.owner_id).held == 10


@pytest.mark.parametrize(
    ("status", "sentence"),
    [("finished", "match has been played already"), ("cancelled", "was cancelled and its fee")],
)
def test_a_form_that_is_sent_again_after_its_entry_is_over_says_so(
    client: Client, status: str, sentence: str
) -> None:
    agent = make_agent(make_user(credits=100))
    space = make_space()
    client.force_login(agent.owner)
    data = {"agent": agent.id, "entry_id": str(uuid.uuid4()), "fee": 10}
    client.post(f"/spaces/{space.slug}/enter/", data)
    Entry.objects.update(status=status)
    response = client.post(f"/spaces/{space.slug}/enter/", data)
    page = response.content.decode()
    assert response.status_code == 422
    assert sentence in page.replace("&#x27;", "'")
    assert Entry.objects.count() == 1
    (fresh,) = re.findall(r'name="entry_id" value="([^"]+)"', page)
    assert fresh != data["entry_id"]
    again = client.post(f"/spaces/{space.slug}/enter/", data | {"entry_id": fresh})
    assert again.headers["Location"] == f"/entries/{fresh}/"


def test_pages_with_a_key_for_one_intent_are_not_taken_from_a_cache(client: Client) -> None:
    agent = make_agent(make_user(credits=100))
    space = make_space()
    client.force_login(agent.owner)
    for path in (f"/spaces/{space.slug}/", f"/agents/{agent.pk}/", "/wallet/"):
        page = client.get(path)
        assert page.headers["Cache-Control"] == "no-store", path
        keys = re.findall(
            r"<input[^>]+name=\"(?:entry_id|transfer_id)\"[^>]*>", page.content.decode()
        )
        assert keys, path
        assert all("data-key" in key and 'autocomplete="off"' in key for key in keys), path


@pytest.mark.parametrize(
    "data",
    [{}, {"agent": "1"}, {"agent": "x", "entry_id": "y"}, {"agent": "9" * 40, "entry_id": "0"},
     {"entry_id": "' or 1=1"}],
)  # fmt: skip
def test_a_broken_entry_form_is_explained(client: Client, data: dict[str, str]) -> None:
    agent = make_agent(make_user(credits=100))
    client.force_login(agent.owner)
    response = client.post(f"/spaces/{make_space().slug}/enter/", data)
    assert response.status_code == 422
    assert not Entry.objects.exists()


def test_nobody_enters_another_users_agent(client: Client) -> None:
    agent = make_agent(make_user(credits=100))
    client.force_login(make_user(credits=100))
    make_agent()
    data = {"agent": agent.id, "entry_id": str(uuid.uuid4()), "fee": 10}
    assert client.post(f"/spaces/{make_space().slug}/enter/", data).status_code == 422
    assert not Entry.objects.exists()


def test_too_few_credits_and_closed_spaces_are_explained_before_and_after_the_click(
    client: Client,
) -> None:
    agent = make_agent(make_user())
    client.force_login(agent.owner)
    space = make_space()
    assert "You need 10 credits" in client.get(f"/spaces/{space.slug}/").content.decode()
    data = {"agent": agent.id, "entry_id": str(uuid.uuid4()), "fee": 10}
    page = client.post(f"/spaces/{space.slug}/enter/", data).content.decode()
    assert "Not enough credits to enter" in page
    closed = make_space(status="closed")
    assert "takes no entries" in client.get(f"/spaces/{closed.slug}/").content.decode()
    page = client.post(f"/spaces/{closed.slug}/enter/", data).content.decode()
    assert "is closed and takes no entries" in page


def test_a_fee_that_rose_meanwhile_is_not_taken_unseen(client: Client) -> None:
    agent = make_agent(make_user(credits=100))
    client.force_login(agent.owner)
    space = make_space(entry_fee_credits=50)
    data = {"agent": agent.id, "entry_id": str(uuid.uuid4()), "fee": 10}
    page = client.post(f"/spaces/{space.slug}/enter/", data).content.decode()
    assert "now costs 0 or 50 credits, not 10" in page
    assert 'name="fee" value="50"' in page
    assert f'href="/spaces/{space.slug}/?fee=0&amp;' in page, "the refusal has another address"
    assert wallet_balance(agent.owner_id).held == 0


def test_the_page_of_a_space_enters_at_the_fee_that_was_chosen(client: Client) -> None:
    agent = make_agent(make_user(credits=100))
    client.force_login(agent.owner)
    space = make_space(other_fees_credits=[0, 50])
    path = f"/spaces/{space.slug}/"
    page = client.get(f"{path}?fee=50").content.decode()
    assert 'name="fee" value="50"' in page
    assert "2 seats pay 50 credits each: 100. The arena keeps 10. First 63, second 27." in page
    assert (
        f"?fee=0&amp;agent={agent.id}#enter"
        in client.get(f"{path}?agent={agent.id}").content.decode()
    )
    free = client.get(f"{path}?fee=0").content.decode()
    assert "Enter for free" in free
    assert "pay no prize" in free
    assert "The arena keeps" not in free
    for odd in ("7", "-1", "x", "9" * 40):
        assert 'name="fee" value="10"' in client.get(path, {"fee": odd}).content.decode()
    data = {"agent": agent.id, "entry_id": str(uuid.uuid4()), "fee": 50}
    client.post(f"{path}enter/", data)
    assert Entry.objects.get().fee_credits == 50
    assert wallet_balance(agent.owner_id).held == 50


def test_a_free_match_needs_no_credits(client: Client) -> None:
    agent = make_agent(make_user())
    client.force_login(agent.owner)
    path = f"/spaces/{make_space().slug}/"
    assert "You need 10 credits" in client.get(path).content.decode()
    assert "Enter for free" in client.get(f"{path}?fee=0").content.decode()
    data = {"agent": agent.id, "entry_id": str(uuid.uuid4()), "fee": 0}
    page = client.post(f"{path}enter/", data, follow=True).content.decode()
    assert "Entered for free" in page


def test_a_rule_that_changed_meanwhile_is_not_agreed_to_unseen(client: Client) -> None:
    agent = make_agent(make_user(credits=100))
    client.force_login(agent.owner)
    space = make_space(prize_rule="winner")
    data = {"agent": agent.id, "entry_id": str(uuid.uuid4()), "fee": 10, "terms": "10 places 70-30"}
    page = client.post(f"/spaces/{space.slug}/enter/", data).content.decode()
    assert "now shares the pool in another way" in page
    assert 'name="terms" value="10 winner 70-30"' in page
    assert wallet_balance(agent.owner_id).held == 0


@pytest.mark.parametrize("forged", [uuid.uuid5(uuid.NAMESPACE_URL, "x"), uuid.UUID(int=7)])
def test_ids_that_no_form_gives_out_are_refused(client: Client, forged: uuid.UUID) -> None:
    """The arena derives its own transfers' ids; if somebody used them first, a match would hang."""
    agent = make_agent(make_user(credits=100))
    client.force_login(agent.owner)
    data = {"agent": agent.id, "entry_id": str(forged), "fee": 10}
    page = client.post(f"/spaces/{make_space().slug}/enter/", data)
    assert "not made by the arena" in page.content.decode()
    page = client.post("/wallet/", {"amount": "5", "transfer_id": str(forged)}, follow=True)
    assert "not made by the arena" in page.content.decode()
    assert not Entry.objects.exists()
    assert not Transfer.objects.filter(id=forged).exists()


def test_leaving_the_queue_returns_the_fee(client: Client) -> None:
    agent = make_agent(make_user(credits=100))
    client.force_login(agent.owner)
    space = make_space()
    entry_id = uuid.uuid4()
    data = {"agent": agent.id, "entry_id": str(entry_id), "fee": 10}
    client.post(f"/spaces/{space.slug}/enter/", data)
    assert (
        client.post(f"/entries/{entry_id}/leave/").headers["Location"] == f"/spaces/{space.slug}/"
    )
    assert wallet_balance(agent.owner_id).available == 100
    page = client.get("/wallet/").content.decode()
    assert "Entry fee returned" in page


def test_a_top_up_is_paid_once_and_stated(client: Client) -> None:
    user = make_user()
    client.force_login(user)
    data = {"amount": "300", "transfer_id": str(uuid.uuid4())}
    for _ in range(2):
        assert client.post("/wallet/", data).status_code == 302
    assert wallet_balance(user.pk).available == 300
    assert client.get("/wallet/").content.decode().count("Sandbox top-up") == 1


@pytest.mark.parametrize(
    "amount", ["0", "-5", str(TOP_UP_MAX_CREDITS + 1), "nan", "1.5", "9" * 400, "", "ten\x00"]
)
def test_bad_amounts_are_refused_beside_the_field(client: Client, amount: str) -> None:
    client.force_login(make_user())
    response = client.post("/wallet/", {"amount": amount, "transfer_id": str(uuid.uuid4())})
    assert response.status_code == 422
    assert 'id="id_amount_error"' in response.content.decode()
    assert not Transfer.objects.exists()


def test_the_bound_on_ones_own_entries_is_said_before_and_after_the_click(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, space = make_user(credits=100), make_space()
    agents = [make_agent(owner), make_agent(owner)]
    client.force_login(owner)
    page = client.get(f"/spaces/{space.slug}/").content.decode()
    assert "Up to 8 of your agents may wait or play at once" in page
    monkeypatch.setattr("arena.spaces.entering.MAX_LIVE_ENTRIES", 1)
    monkeypatch.setattr("frontend.pages.spaces.MAX_LIVE_ENTRIES", 1)
    data = {"agent": agents[0].id, "entry_id": str(uuid.uuid4()), "fee": 10}
    assert client.post(f"/spaces/{space.slug}/enter/", data).status_code == 302
    page = client.get(f"/spaces/{space.slug}/").content.decode()
    assert "1 of your agents are already waiting or playing" in page
    data = {"agent": agents[1].id, "entry_id": str(uuid.uuid4()), "fee": 10}
    response = client.post(f"/spaces/{space.slug}/enter/", data)
    assert response.status_code == 422
    assert "take one of them out of its queue" in response.content.decode()
    assert wallet_balance(owner.id).held == 10
