from arena.spaces.ratings import Skill, updated


def test_the_winner_gains_what_shows_and_everybody_becomes_less_uncertain() -> None:
    before = {0: Skill(), 1: Skill(), 2: Skill()}
    after = updated(before, [[1], [0], [2]])
    assert after[1].mu > after[0].mu > after[2].mu
    assert all(after[seat].sigma < before[seat].sigma for seat in before)


def test_a_tie_between_equals_moves_no_mean() -> None:
    after = updated({0: Skill(), 1: Skill()}, [[0, 1]])
    assert abs(after[0].mu - after[1].mu) < 1e-9


def test_beating_a_stronger_agent_pays_more_than_beating_a_weaker_one() -> None:
    strong, weak = Skill(mu=35, sigma=3), Skill(mu=15, sigma=3)
    over_strong = updated({0: Skill(sigma=3), 1: strong}, [[0], [1]])[0].mu
    over_weak = updated({0: Skill(sigma=3), 1: weak}, [[0], [1]])[0].mu
    assert over_strong > over_weak > 25


def test_a_newcomer_starts_at_zero_on_the_leaderboard() -> None:
    newcomer = Skill()
    assert abs(newcomer.mu - 3 * newcomer.sigma) < 1e-9
