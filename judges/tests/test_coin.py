from judges.tests.builders import ScriptedTools, make_answer, make_transcript
from judges.tests.test_call import vote


def test_the_coin_ignores_quality_and_never_changes_its_mind() -> None:
    wins = 0
    for number in range(200):
        good = make_answer(0, f"cats purr {number}", score=1.0)
        bad = make_answer(1, f"dogs {number}", score=0.0, failed="rule")
        ballot = vote("coin", make_transcript(good, bad), ScriptedTools())
        assert ballot == vote("coin", make_transcript(good, bad), ScriptedTools())
        wins += ballot.scores[0] > ballot.scores[1]
    assert 70 <= wins <= 130  # six deviations of a fair coin
