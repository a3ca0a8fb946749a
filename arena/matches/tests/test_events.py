"""Old events still verify: the literals were computed by the code that first stored them."""

from arena.environments.base import Task
from arena.matches.events import content_digest, event_digest


def test_an_event_keeps_its_digest() -> None:
    payload = {
        "round": 1,
        "scores": {"1": 0.25, "0": 1.0},
        "ranking": [[0], [1]],
        "agreement": 0.5,
        "reason": "größer",
    }
    assert (
        event_digest("ab" * 32, match_id=7, seq=3, kind="round_decided", payload=payload)
        == "5b8837c35a35bf8b013bea36de07fd6c7ee28cfa058b78cf2ffd7faad25271b2"
    )


def test_an_answer_keeps_its_digest() -> None:
    assert (
        content_digest('Grüße,\n"du"', [5, 0, 7], [-0.5, -1.23456789])
        == "f4e22967084cc977d6dd6e2ec391cb53c4dd78c7f54692a293f5b37c7ff88c92"
    )


def test_the_digest_of_a_restricted_answer_covers_what_was_allowed() -> None:
    free = content_digest("5", [37, 2], [-0.5, 0.0])
    restricted = content_digest("5", [37, 2], [-0.5, 0.0], [[36, 37], [2]])
    other = content_digest("5", [37, 2], [-0.5, 0.0], [[37, 38], [2]])
    assert len({free, restricted, other}) == 3
    assert content_digest("5", [37, 2], [-0.5, 0.0], []) == free


def test_a_task_keeps_its_key() -> None:
    task = Task(
        "bullets",
        "Drei Punkte – bitte.",
        {"n": 3, "words": ["a", "é"], "at": {"z": 1, "b": None}},
    )
    assert task.key == "0f1470a3e833396ab4ad3d3c340b2dca70543d8932c3d89cc5df122c4577b7d5"
