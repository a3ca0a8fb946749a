"""What is wanted of the figures, by reports as the steps write them."""

from typing import Any

import pytest

from benchmarks.gpu.proofs import ITSELF
from benchmarks.gpu.steps import DEMO, IDENTITY, LEARNING, MATCHES, SERVING, TRAINING
from benchmarks.gpu.verdict import figures, table


def row(times: float) -> dict[str, float]:
    return {"pairs_per_second": 10 * times, "peak_gib": 1.5, "times_trl": times}


def reports(**changes: Any) -> dict[str, Any]:
    return {
        DEMO: {"loop_closed": True, "seconds": 61.5},
        IDENTITY: {
            "proofs": [
                {"precision": "bf16", "served": ITSELF, "mean_child": 0.05, "bound": 0.2}
                | {"holds": True}
            ]
        },
        TRAINING: {
            "rows": {"TRL's DPOTrainer": row(1.0), "ours, bf16": row(3.0), "ours, nf4": row(1.5)},
            "at_once": {"agents": 8, "times_cheaper": 2.6},
            "step": {"of_the_limit": 0.98},
        },
        SERVING: {"places": 64, "tokens_per_second": {"base": 200.0, "one adapter": 150.0}},
        MATCHES: {
            "matches": 64,
            "loads": {
                "one turn": {"ours": 97.0, "ratio": 0.97},
                "many turns": {"ours": 50.0, "ratio": 0.5},
            },
        },
        LEARNING: {
            "results": [
                {"arm": "dpo", "seed": 0, "minutes": 3.0, "matches": 9, "runs": [{}], "version": 2}
            ]
        },
    } | changes


def unmet(found: dict[str, Any]) -> list[str]:
    return [figure.name for figure in figures(found) if figure.holds is False]


def test_all_that_is_wanted_can_hold() -> None:
    assert unmet(reports()) == []
    wanted = [figure.name for figure in figures(reports()) if figure.holds]
    assert len(wanted) == 6, "what is only told is not judged"


@pytest.mark.parametrize(
    ("step", "report", "name"),
    [
        (DEMO, {"loop_closed": False, "seconds": 60}, "loop"),
        (LEARNING, {"results": []}, "ways measured"),
        (
            MATCHES,
            {"matches": 64, "loads": {"one turn": {"ours": 9.0, "ratio": 0.9}}},
            "64 matches",
        ),
        (SERVING, {"places": 64}, "report"),
        (TRAINING, [], "report"),
    ],
)
def test_a_figure_that_falls_short_is_named(step: str, report: Any, name: str) -> None:
    (found,) = unmet(reports(**{step: report}))
    assert found.startswith(name)


def test_speed_beside_trl_and_of_eight_agents_counts() -> None:
    slow = reports()[TRAINING] | {"at_once": {"agents": 8, "times_cheaper": 2.4}}
    slow["rows"] = slow["rows"] | {"ours, bf16": row(1.9)}
    assert unmet(reports(training=slow)) == ["ours, bf16, of TRL's speed", "8 agents at once"]


def test_a_training_that_overran_shows_what_it_had_measured() -> None:
    part = {"rows": reports()[TRAINING]["rows"]}
    assert unmet(reports(training=part)) == []
    outcome = {"outcome": "overran", "seconds": 90.0, "why": "it had 90 s"}
    text = table({TRAINING: outcome}, figures(reports(training=part)))
    assert "overran, 90 s: it had 90 s" in text
    assert "30.0 pairs/s, 1.50 GiB" in text


def test_steps_that_did_not_run_have_no_figures() -> None:
    assert figures({}) == []
