from hypothesis import given
from hypothesis import strategies as st

from arena.credits.prizes import prizes, rake_of


def test_places_are_paid_by_percent_and_the_rest_goes_to_the_best() -> None:
    assert prizes([[2], [0], [1]], pot_credits=37, percents=[50, 30, 20]) == {2: 19, 0: 11, 1: 7}


def test_tied_seats_share_the_places_they_take() -> None:
    assert prizes([[0, 1], [2]], pot_credits=100, percents=[70, 30]) == {0: 50, 1: 50, 2: 0}


def test_with_fewer_seats_than_places_the_whole_pot_is_still_paid() -> None:
    assert prizes([[0], [1]], pot_credits=80, percents=[50, 30, 20]) == {0: 50, 1: 30}


def test_the_rake_is_rounded_in_the_players_favour() -> None:
    assert rake_of(39, percent=10) == 3


@st.composite
def rankings(draw: st.DrawFn) -> list[list[int]]:
    seats = draw(st.permutations(range(draw(st.integers(1, 8)))))
    cuts = draw(st.lists(st.booleans(), min_size=len(seats), max_size=len(seats)))
    groups: list[list[int]] = []
    for seat, cut in zip(seats, cuts, strict=True):
        if cut or not groups:
            groups.append([seat])
        else:
            groups[-1].append(seat)
    return groups


@given(
    rankings(),
    st.integers(0, 10_000),
    st.sampled_from([[100], [70, 30], [50, 30, 20], [40, 30, 20, 10], [0, 100]]),
)
def test_what_goes_in_comes_out_whatever_the_ranking(
    ranking: list[list[int]], pot: int, percents: list[int]
) -> None:
    result = prizes(ranking, pot_credits=pot, percents=percents)
    assert sum(result.values()) == pot
    assert min(result.values()) >= 0
    assert set(result) == {seat for group in ranking for seat in group}


@given(rankings(), st.integers(0, 10_000))
def test_a_better_place_never_pays_less_when_percents_fall(
    ranking: list[list[int]], pot: int
) -> None:
    result = prizes(ranking, pot_credits=pot, percents=[50, 30, 20])
    worst_of_each = [min(result[seat] for seat in group) for group in ranking]
    best_of_each = [max(result[seat] for seat in group) for group in ranking]
    for better, worse in zip(worst_of_each, best_of_each[1:], strict=False):
        assert better >= worse - 1  # a rounding credit at most
