"""One set of live states for each noun: rows, reads and constraints mean the same."""

from arena.models import LIVE_ENTRY_STATUSES, Entry


def test_the_database_allows_one_live_entry_of_an_agent_by_the_same_states() -> None:
    (one_live,) = (each for each in Entry._meta.constraints if each.name.startswith("entry_one"))
    condition = one_live.deconstruct()[2]["condition"]
    assert set(dict(condition.children)["status__in"]) == LIVE_ENTRY_STATUSES
