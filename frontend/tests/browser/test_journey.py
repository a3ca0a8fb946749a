"""One person's way through the whole product in a browser, with everything behind it real."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from arena.tests.system.product import Product, wait_for
from frontend.rating_words import decimal
from frontend.tests.browser.accessibility import problems_in_every_guise
from frontend.tests.browser.conftest import Watched

pytestmark = pytest.mark.vllm

USER, AGENT, SPACE = "ada", "Quill", "Constraints"
TOP_UP_CREDITS = 200
MATCH_MS = 300_000
RUN_MS = 900_000
MAX_MATCHES = 16  # how many have a loser who can learn is a matter of luck
# Records on every page how long each answer was while its round was still being played, and which
# steps of a training run were shown: what a person would see moving.
OBSERVE = """
window.lengths = {};
window.steps = [];
new MutationObserver(() => {
  const round = document.querySelector('#match-round[data-round-status="playing"]');
  for (const answer of round?.querySelectorAll("[data-streaming]") ?? []) {
    const seat = answer.closest("[data-seat]").dataset.seat;
    const lengths = window.lengths[`${round.dataset.round}:${seat}`] ??= [0];
    const length = answer.textContent.length;
    if (length > lengths.at(-1)) lengths.push(length);
  }
  const step = Number(document.querySelector("#run-state")?.textContent.match(/Step (\\d+) of/)?.[1]);
  if (step && step !== window.steps.at(-1)) window.steps.push(step);
}).observe(document, {subtree: true, childList: true, characterData: true});
"""
GREW = "() => Object.values(window.lengths).some((lengths) => lengths.length > 3)"
ANSWERS = """() => Object.fromEntries([...document.querySelectorAll("#match-round [data-seat]")]
  .map((seat) => [seat.dataset.seat, seat.querySelector("[data-answer]")?.textContent ?? ""]))"""
GOES_ON = """([number, before]) => Object.entries(before).every(([seat, text]) => document
  .querySelector(`#match-round[data-round="${number}"] [data-seat="${seat}"] [data-answer]`)
  ?.textContent.startsWith(text))"""


def test_an_agent_competes_is_judged_learns_and_plays_on(
    product: Product, watched: Watched, tmp_path: Path
) -> None:
    page = watched.page
    page.add_init_script(OBSERVE)
    faults = sign_up(page, product.url)
    faults += create_agent(page)
    faults += top_up(page)
    match_id = enter_from_the_space(page)
    watch_live(watched)
    reload_in_the_middle(page)
    faults += read_the_result(page, product, match_id)
    faults += read_the_wallet(page, product)
    play_until_training_starts(page, product)
    faults += follow_the_run(page, product)
    play_the_next_match(page, product)
    download_pairs(page, product, tmp_path)
    roll_back(page, product)
    faults += look_around(page, product.url)
    assert faults == []
    assert watched.problems == []


def sign_up(page: Page, url: str) -> list[str]:
    page.goto(url)
    faults = problems_in_every_guise(page)
    page.get_by_role("link", name="Create an agent").first.click()
    faults += problems_in_every_guise(page)
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Email").fill(f"{USER}@example.org")
    page.get_by_label("Password", exact=True).fill("correct-horse-battery")
    page.get_by_role("button", name="Sign up").click()
    return faults


def create_agent(page: Page) -> list[str]:
    """From a template; one training setting is the person's own."""
    expect(page.get_by_role("heading", name="New agent")).to_be_visible()
    # It samples widely, so it loses often, and it learns from the answers that beat it.
    page.get_by_role("link", name="Explorer").click()
    page.get_by_label("Name").fill(AGENT)
    page.get_by_label("Gentle").check()
    # Whether a model answers better than it in a few matches is luck: coded seats may teach all.
    page.get_by_label("How much coded seats may teach").fill("1")
    page.locator("summary").filter(has_text="Every setting").click()
    expect(page.get_by_label("LoRA rank")).to_have_value("8")
    page.get_by_label("GRPO").check()
    expect(page.get_by_label("Answers per task")).to_be_visible()
    expect(page.get_by_label("Pairs per step")).to_be_hidden()
    page.get_by_label("DPO").check()
    page.get_by_label("Pairs per step").fill("1")
    expect(page.get_by_label("Custom")).to_be_checked()
    faults = problems_in_every_guise(page)
    page.get_by_role("button", name="Create agent").click()
    expect(page.get_by_role("heading", name=AGENT)).to_be_visible()
    expect(page.get_by_text(f"{AGENT} is ready")).to_be_visible()
    return faults


def top_up(page: Page) -> list[str]:
    page.get_by_role("link", name="Wallet, 0 credits available").click()
    page.get_by_role("spinbutton", name="Credits").fill(str(TOP_UP_CREDITS))
    page.get_by_role("button", name="Add credits").click()
    expect(page.get_by_text(f"{TOP_UP_CREDITS} credits added")).to_be_visible()
    return problems_in_every_guise(page)


def enter_from_the_space(page: Page) -> int:
    page.get_by_role("link", name="Spaces").first.click()
    page.get_by_role("link", name=SPACE, exact=True).click()
    entering = page.get_by_role("region", name="Enter")
    entering.get_by_label("Agent", exact=True).select_option(label=f"{AGENT}, v1")
    entering.get_by_role("button", name="Enter for 10 credits").click()
    return taken_to_the_match(page)


def taken_to_the_match(page: Page) -> int:
    page.wait_for_url(re.compile(r"/matches/\d+/$"), timeout=60_000)
    return int(page.url.rstrip("/").rpartition("/")[2])


def watch_live(watched: Watched) -> None:
    """Answers grow on the page with the socket's messages, before their round is decided."""
    watched.page.wait_for_function(GREW, timeout=MATCH_MS)
    assert any('"t": "text"' in frame for frame in watched.frames)


def reload_in_the_middle(page: Page) -> None:
    """What was there before is there again, and the rest of the match streams as before."""
    number = str(page.locator("#match-round").get_attribute("data-round"))
    before = page.evaluate(ANSWERS)
    assert any(before.values())
    page.reload()

    def is_there_again() -> bool:
        # The page moves on to each new round, so it has to be led back.
        if page.locator("#match-round").get_attribute("data-round") != number:
            page.locator(f'[data-round-tab="{number}"]').click()
        return bool(page.evaluate(GOES_ON, [number, before]))

    wait_for("the answers from before the reload", is_there_again, seconds=MATCH_MS / 1000)
    page.goto(page.url.partition("?")[0])
    page.wait_for_function(GREW, timeout=MATCH_MS)


def settled(page: Page) -> None:
    expect(page.locator("#match-summary")).to_have_attribute(
        "data-status", "settled", timeout=MATCH_MS
    )


def own_row(page: Page) -> Locator:
    return page.locator("#match-summary li").filter(has_text=AGENT).filter(has_text="yours")


def read_the_result(page: Page, product: Product, match_id: int) -> list[str]:
    """Rank, prize, rating and credits match the database, and each vote has its reason."""
    settled(page)
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    rank, prize, before, after = product.rows(
        "SELECT s.rank, s.prize_credits, c.mu_before, c.mu_after FROM arena_seat s"
        " JOIN arena_ratingchange c ON c.seat_id = s.id"
        " JOIN agents_agent a ON a.id = s.agent_id WHERE s.match_id = %s AND a.name = %s",
        match_id,
        AGENT,
    )[0]
    row = own_row(page)
    expect(row.locator("span").first).to_have_text(str(rank))
    expect(row).to_contain_text(f"+{prize}" if prize else "no prize")
    expect(row).to_contain_text(decimal(after))
    expect(row).to_contain_text(re.compile(rf"[+−-]?{abs(after - before):.1f}"))
    page.locator("summary").filter(has_text="Where the credits went").click()
    expect(page.get_by_text(f"Entry fee, {AGENT}")).to_be_visible()
    expect(page.get_by_text("Pool", exact=True).locator("xpath=..")).to_contain_text("40")
    for number in range(1, 4):
        read_the_votes(page, product, match_id, number)
    return problems_in_every_guise(page)


def read_the_votes(page: Page, product: Product, match_id: int, number: int) -> None:
    page.locator(f'[data-round-tab="{number}"]').click()
    expect(page.locator("#match-round")).to_have_attribute("data-round", str(number))
    votes = product.rows(
        "SELECT j.name, v.scores, v.reasons FROM judges_judge j"
        " JOIN arena_vote v ON v.judge_id = j.id JOIN arena_round r ON r.id = v.round_id"
        " WHERE r.match_id = %s AND r.number = %s",
        match_id,
        number,
    )
    assert votes
    for judge, scores, reasons in votes:
        for seat in scores:
            card = page.locator(f'#match-round [data-seat="{seat}"]')
            expect(card).to_contain_text(judge)
            assert reasons[seat]
            expect(card).to_contain_text(reasons[seat])


def read_the_wallet(page: Page, product: Product) -> list[str]:
    """The statement's lines add up to the balance in the ledger."""
    page.get_by_role("link", name="Wallet").click()
    page.wait_for_url("**/wallet/")
    statement = page.get_by_role("region", name="Statement").get_by_role("listitem")
    changes = [signed(line.locator("p.num").inner_text()) for line in statement.all()]
    available = product.value(
        "SELECT credits_posted - debits_posted - debits_pending FROM arena_account a"
        " JOIN agents_user u ON u.id = a.owner_id WHERE u.username = %s",
        USER,
    )
    assert sum(changes) == available
    expect(page.get_by_role("link", name=f"Wallet, {available} credits available")).to_be_visible()
    return problems_in_every_guise(page)


def signed(text: str) -> int:
    return int(text.replace("−", "-").replace(",", ""))


def enter_from_the_agent(page: Page, product: Product) -> int:
    page.goto(f"{product.url}/agents/")
    page.get_by_role("link", name=AGENT, exact=True).click()
    page.get_by_role("button", name=f"Enter {SPACE} for 10 credits").click()
    return taken_to_the_match(page)


def play_until_training_starts(page: Page, product: Product) -> None:
    """The trainer starts by itself; the agent's page leads to it."""
    for _ in range(MAX_MATCHES):
        if pairs_of_settled_matches(product) >= 8:
            break
        enter_from_the_agent(page, product)
        settled(page)
    page.goto(f"{product.url}/agents/")
    page.get_by_role("link", name=AGENT, exact=True).click()
    page.get_by_role("link", name=re.compile("Follow run")).click(timeout=60_000)


def pairs_of_settled_matches(product: Product) -> int:
    """How many pairs the agent has, once the sweep has handled every settled match."""
    unharvested = (
        "SELECT count(*) = 0 FROM arena_match m LEFT JOIN training_harvest h ON h.match_id = m.id"
        " WHERE m.status = 'settled' AND h.id IS NULL"
    )
    wait_for("the pairs of the last match", lambda: product.value(unharvested), seconds=60)
    return int(
        product.value(
            "SELECT count(*) FROM training_pair p JOIN agents_agent a ON a.id = p.agent_id"
            " WHERE a.name = %s",
            AGENT,
        )
    )


def follow_the_run(page: Page, product: Product) -> list[str]:
    """Progress and curve move while one watches; then come the gate's figures and decision."""
    page.wait_for_url(re.compile(r"/runs/\d+/$"))
    run_id = int(page.url.rstrip("/").rpartition("/")[2])
    page.wait_for_function("() => window.steps.length > 1", timeout=RUN_MS)
    expect(page.locator("#run-curve canvas").first).to_be_visible()
    final = page.locator('#run-state[data-final="yes"]')
    expect(final).to_be_visible(timeout=RUN_MS)
    status, config, gate, curve, manifest, reason = product.rows(
        "SELECT status, config, gate, curve, manifest, reason"
        " FROM training_trainingrun WHERE id = %s",
        run_id,
    )[0]
    assert status in {"adopted", "rejected"}, reason
    assert config["coded_share"] == 1.0
    # One step for each pair in each epoch.
    taught = manifest["coded"]
    assert len(curve) == taught["of"] * config["epochs"] > 1
    assert taught["answers"] <= taught["of"]
    expect(final).to_contain_text(status)
    expect(page.get_by_role("heading", name="Gate")).to_be_visible()
    for side in ("parent", "child"):
        expect(final).to_contain_text(f"{gate[side]['mean']:.1%}")
        expect(final).to_contain_text(f"{gate[side]['passed']} passed in full")
    expect(page.locator("#run-curve canvas").first).to_be_visible()
    return problems_in_every_guise(page)


def current_version(product: Product) -> tuple[int, bool]:
    """(number, whether it has an adapter)"""
    number, has_adapter = product.rows(
        "SELECT v.number, v.adapter_id IS NOT NULL FROM agents_agent a"
        " JOIN agents_agentversion v ON v.id = a.current_version_id WHERE a.name = %s",
        AGENT,
    )[0]
    return number, has_adapter


def play_the_next_match(page: Page, product: Product) -> None:
    number, has_adapter = current_version(product)
    enter_from_the_agent(page, product)
    expect(own_row(page)).to_contain_text(f"v{number}" + (" with adapter" if has_adapter else ""))
    settled(page)


def download_pairs(page: Page, product: Product, folder: Path) -> None:
    """JSONL in TRL's conversational preference format."""
    count = pairs_of_settled_matches(product)
    page.goto(f"{product.url}/agents/")
    page.get_by_role("link", name=AGENT, exact=True).click()
    with page.expect_download() as started:
        page.get_by_role("link", name=f"Download {count} pairs").click()
    target = folder / "pairs.jsonl"
    started.value.save_as(target)
    lines = [json.loads(line) for line in target.read_text().splitlines()]
    assert len(lines) == count
    for line in lines:
        assert [message["role"] for message in line["prompt"]][-1] == "user"
        assert [message["role"] for message in line["chosen"]] == ["assistant"]
        assert [message["role"] for message in line["rejected"]] == ["assistant"]
        messages = [*line["prompt"], *line["chosen"], *line["rejected"]]
        assert all(message["content"].strip() for message in messages[:-1])
        assert line["chosen"] != line["rejected"]


def roll_back(page: Page, product: Product) -> None:
    """One click each way: to the trained version, if the gate did not adopt it, and back."""
    if current_version(product)[0] == 1:
        page.get_by_role("button", name="Use version 2").click()
    expect(page.get_by_text("v2 plays", exact=True)).to_be_visible()
    assert current_version(product) == (2, True)
    page.get_by_role("button", name="Roll back to version 1").click()
    expect(page.get_by_text("v1 plays", exact=True)).to_be_visible()
    assert current_version(product) == (1, False)


def look_around(page: Page, url: str) -> list[str]:
    """The pages that are full now."""
    faults = problems_in_every_guise(page)  # the agent's
    for path in ("agents/", "spaces/", "spaces/constraints/", "matches/", "how-it-works/"):
        page.goto(f"{url}/{path}")
        faults += problems_in_every_guise(page)
    return faults
