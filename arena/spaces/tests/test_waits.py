from arena.spaces.waits import ENOUGH, ExpectedWait, PastWait, expected_wait


def waits(count: int, seconds: float, *, mu: float | None = 25) -> list[PastWait]:
    return [PastWait(number, seconds, mu) for number in range(count)]


def test_nine_of_ten_waited_no_longer() -> None:
    found = expected_wait([*waits(9, 7), PastWait(99, 400, 25)])
    assert found == ExpectedWait(seconds=10, match_count=10, is_near=False)
    found = expected_wait([*waits(8, 7), PastWait(98, 400, 25), PastWait(99, 400, 25)])
    assert found is not None
    assert (found.seconds, found.words) == (600, "10 minutes")


def test_waits_near_a_rating_count_once_there_are_enough() -> None:
    near, far = waits(ENOUGH, 3), waits(ENOUGH, 50, mu=40)
    assert expected_wait([*near, *far], mu=26) == ExpectedWait(5, ENOUGH, is_near=True)
    assert expected_wait([*near[1:], *far], mu=26) == ExpectedWait(60, ENOUGH, is_near=False)
    assert expected_wait(waits(ENOUGH, 3, mu=None), mu=26) == ExpectedWait(5, ENOUGH, is_near=False)


def test_without_a_match_nothing_is_expected() -> None:
    assert expected_wait([]) is None


def test_several_entries_of_one_match_are_one_match() -> None:
    found = expected_wait([PastWait(1, 4, None), PastWait(1, 8000, None)])
    assert found is not None
    assert (found.match_count, found.words) == (1, "3 hours")
