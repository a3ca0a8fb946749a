"""SIGKILL to every part of the running product: nothing is lost, and it recovers by itself."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from arena.config.supervisor.parts import (
    BEAT,
    BROKER,
    DATABASE,
    INFERENCE,
    MATCH_WORKER,
    TRAIN_WORKER,
    WEB,
)
from arena.tests.system.person import Person
from arena.tests.system.product import Product, wait_for

pytestmark = pytest.mark.vllm

SPACE = "constraints"
MATCH_SECONDS = 400.0  # a lease has to run out first, and a slow machine has to catch up
RUN_SECONDS = 900.0
MAX_MATCHES = 20  # how many have a loser who can learn is a matter of luck


@dataclass(frozen=True)
class Player:
    """Somebody whose agent loses often, so that it soon has pairs; it trains on request."""

    person: Person
    product: Product
    agent_id: int

    def start_match(self) -> int:
        """Its first round is being answered when this returns."""
        match_id = self.person.match_of(self.person.enter(self.agent_id, SPACE))
        wait_for(
            "the first round",
            lambda: self.product.value(
                "SELECT id FROM arena_round WHERE match_id = %s AND status = 'playing'", match_id
            ),
            seconds=MATCH_SECONDS,
        )
        return match_id

    def start_run(self) -> int:
        """Plays until it has enough to learn from."""
        space_id = self.product.value("SELECT id FROM arena_space WHERE slug = %s", SPACE)
        for _ in range(MAX_MATCHES):
            self._wait_for_pairs()
            if run_id := self.person.train_now(self.agent_id, space_id):
                return run_id
            wait_until_over(self.product, self.start_match())
        pytest.fail(f"{MAX_MATCHES} matches gave too few pairs.")

    def _wait_for_pairs(self) -> None:
        wait_for(
            "the pairs of the last match",
            lambda: self.product.value(
                "SELECT count(*) = 0 FROM arena_match m"
                " LEFT JOIN training_harvest h ON h.match_id = m.id"
                " WHERE m.status = 'settled' AND h.id IS NULL"
            ),
            seconds=60,
        )


@pytest.fixture(scope="module")
def player(product: Product) -> Iterator[Player]:
    with Person(product, "grace") as person:
        agent_id = person.create_agent(
            "explorer", is_training_enabled=None, learning_coded_share="1"
        )
        yield Player(person, product, agent_id)


def wait_until_over(product: Product, match_id: int) -> str:
    query = "SELECT status FROM arena_match WHERE id = %s AND status IN ('settled', 'cancelled')"
    return str(
        wait_for(
            f"the end of match {match_id}",
            lambda: product.value(query, match_id),
            seconds=MATCH_SECONDS,
        )
    )


def assert_played_once(product: Product, match_id: int) -> None:
    """Settled, with one answer of each seat in each round, and the fees and prizes in balance."""
    assert wait_until_over(product, match_id) == "settled"
    answers = Counter(
        product.rows(
            "SELECT payload->>'round', payload->>'seat' FROM arena_matchevent"
            " WHERE match_id = %s AND kind = 'completion_recorded'",
            match_id,
        )
    )
    assert answers == {(str(number), str(seat)): 1 for number in (1, 2, 3) for seat in range(4)}
    kinds = Counter(
        kind
        for (kind,) in product.rows(
            "SELECT kind FROM arena_matchevent WHERE match_id = %s", match_id
        )
    )
    assert kinds["match_started"] == kinds["match_settled"] == 1
    assert kinds["round_started"] == kinds["round_decided"] + kinds["round_voided"] == 3
    product.assert_ledger_adds_up()


def test_a_match_survives_its_worker_the_site_and_the_schedule(player: Player) -> None:
    product, match_id = player.product, player.start_match()
    product.kill(MATCH_WORKER, WEB, BEAT)
    product.wait_ready()
    assert_played_once(product, match_id)
    assert attempts_at(product, match_id) == 2


def test_matches_and_training_survive_database_broker_and_trainer(player: Player) -> None:
    product = player.product
    parent = current_version(player)
    run_id = player.start_run()
    wait_for("the first step of training", lambda: step_of(product, run_id), seconds=RUN_SECONDS)
    match_id = player.start_match()
    product.kill(DATABASE, BROKER, TRAIN_WORKER)
    product.wait_ready()
    assert_played_once(product, match_id)
    status, reason = wait_for(
        "the end of the run",
        lambda: product.rows(
            "SELECT status, reason FROM training_trainingrun"
            " WHERE id = %s AND finished_at IS NOT NULL",
            run_id,
        ),
        seconds=RUN_SECONDS,
    )[0]
    assert status in {"adopted", "rejected"}, reason
    folders = sorted(path.name for path in (product.home / "runs" / str(run_id)).glob("attempt-*"))
    assert folders == ["attempt-1", "attempt-2"], "another trainer went on"
    assert (current_version(player) == parent) == (status == "rejected")


def test_a_match_survives_the_inference_server(own_inference: Product, player: Player) -> None:
    match_id = player.start_match()
    own_inference.kill(INFERENCE)
    own_inference.wait_ready()
    assert_played_once(own_inference, match_id)
    assert attempts_at(own_inference, match_id) == 1  # its worker had the patience


def test_afterwards_a_match_is_played_as_ever(player: Player) -> None:
    product = player.product
    assert_played_once(product, player.start_match())
    escrow = product.value(
        "SELECT sum(credits_posted - debits_posted) FROM arena_account WHERE kind = 'escrow'"
    )
    waiting = product.value(
        "SELECT count(*) FROM arena_match WHERE status IN ('seated', 'running')"
    )
    assert (escrow, waiting) == (0, 0)


def attempts_at(product: Product, match_id: int) -> int:
    """How many workers have taken the match up."""
    return int(product.value("SELECT attempts FROM arena_match WHERE id = %s", match_id))


def step_of(product: Product, run_id: int) -> int:
    query = "SELECT progress->'step' FROM training_trainingrun WHERE id = %s"
    return int(product.value(query, run_id) or 0)


def current_version(player: Player) -> int:
    query = "SELECT current_version_id FROM agents_agent WHERE id = %s"
    return int(player.product.value(query, player.agent_id))
