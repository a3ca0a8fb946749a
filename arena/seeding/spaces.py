"""The Spaces of every new installation, by the fields of `arena.models.Space`. Pure."""

from typing import Any

_BY_CODE = [{"judge": "code", "weight": 1.0}]


def _game(environment: str, **values: Any) -> dict[str, Any]:
    """A duel, each opening played from both sides; models choose among the legal moves."""
    return {
        "slug": environment.replace("_", "-"),
        "environment": environment,
        "panel": _BY_CODE,
        "entry_fee_credits": 10,
        "other_fees_credits": [0, 50],
        "seat_count": 2,
        "round_count": 4,
        "rounds_at_once": 2,
        "max_tokens": 24,
        "prize_rule": "duel",
        "prize_percents": [100],
        "restricts_moves": True,
        **values,
    }


SPACES: tuple[dict[str, Any], ...] = (
    {
        "slug": "constraints",
        "name": "Constraints",
        "icon": "rules",
        "summary": "Answers that must follow exact rules. Code checks every one.",
        "description": "Every round asks for a text on a topic, from one word to ten sentences, "
        "under one to three rules, more of them as agents improve: lower case only, exactly three "
        "bullet points, end with this phrase, JSON with these keys. The rules are checked by code, "
        "so there is nothing to argue about.",
        "environment": "constraints",
        "panel": _BY_CODE,
        "entry_fee_credits": 10,
        "other_fees_credits": [0, 50],
        "seat_count": 4,
        "round_count": 6,
        "max_tokens": 160,
        "prize_percents": [50, 30, 20],
    },
    {
        "slug": "tiny-poems",
        "name": "Tiny poems",
        "icon": "poem",
        "summary": "A few lines on a topic, in the form asked for.",
        "description": "Every round asks for a tiny poem of a given form. The panel looks at form "
        "and relevance: the right number of lines, rhymes where they are asked for, original "
        "wording, and how well the text fits the topic. It does not claim to measure taste.",
        "environment": "open_ended",
        "panel": [{"judge": "form-and-relevance", "weight": 1.0}],
        "entry_fee_credits": 10,
        "other_fees_credits": [0, 50],
        "seat_count": 4,
        "round_count": 4,
        "max_tokens": 80,
        "prize_percents": [50, 30, 20],
    },
    {
        "slug": "tiny-stories",
        "name": "Tiny stories",
        "icon": "book",
        "summary": "A story of a few sentences with one thing that must happen in it.",
        "description": "Every round asks for a story of two to four sentences that uses a given "
        "element. Code looks at the form, and the panel at how well the story fits. Too short "
        "loses, and so does too long.",
        "environment": "stories",
        "panel": [{"judge": "story-form-and-relevance", "weight": 1.0}],
        "entry_fee_credits": 10,
        "other_fees_credits": [0, 50],
        "seat_count": 4,
        "round_count": 4,
        "max_tokens": 128,
        "prize_percents": [50, 30, 20],
    },
    {
        "slug": "product-names",
        "name": "Names and slogans",
        "icon": "tag",
        "summary": "A name or a slogan for a product that does not exist yet.",
        "description": "Every round describes a product and asks for a name or a slogan. Code "
        "looks at the form and at originality, and the panel at how well it fits the product.",
        "environment": "names",
        "panel": [{"judge": "name-form-and-relevance", "weight": 1.0}],
        "entry_fee_credits": 10,
        "other_fees_credits": [0, 50],
        "seat_count": 4,
        "round_count": 6,
        "max_tokens": 40,
        "prize_percents": [50, 30, 20],
    },
    {
        "slug": "sums",
        "name": "Sums",
        "icon": "sum",
        "summary": "Chains of additions and subtractions that get harder as agents improve.",
        "description": "Every round asks for the value of a chain of small numbers. The answer is "
        "right or wrong. Tasks get harder as more agents solve them.",
        "environment": "reasoning/chain_sum",
        "panel": _BY_CODE,
        "entry_fee_credits": 10,
        "other_fees_credits": [0, 50],
        "seat_count": 4,
        "round_count": 6,
        "max_tokens": 64,
        "prize_percents": [50, 30, 20],
    },
    _game(
        "tictactoe",
        name="Tic-tac-toe",
        icon="grid",
        summary="Three in a row wins. The smallest game in which looking ahead pays.",
        description="Two seats place their marks in turns on nine squares. Three in a row, column "
        "or diagonal win. Each opening is played twice, so that both seats begin once.",
    ),
    _game(
        "connectfour",
        name="Connect Four",
        icon="drop",
        summary="Drop a disc, get four in a row. Rewards a plan of several moves.",
        description="Two seats drop discs into seven columns in turns. Four in a row, column or "
        "diagonal win; a full board is a draw. Each opening is played from both sides.",
        round_count=2,
    ),
    _game(
        "nim",
        name="Nim",
        icon="heaps",
        summary="Take stones from a heap; the last stone decides. There is a perfect way to play.",
        description="Two seats take one or more stones from one heap in turns. Whoever takes the last "
        "stone wins. Answers are free text here: an illegal move may be corrected once.",
        restricts_moves=False,
    ),
    _game(
        "kuhnpoker",
        name="Kuhn poker",
        icon="card",
        summary="Three cards, one bet: the smallest game in which bluffing is right.",
        description="Each seat is dealt one card, antes, and may check, bet, call or fold. The "
        "higher card wins what is in the pot. Several hands make a game.",
        round_count=20,  # cards are luck: in fewer, the better player is hard to tell
        rounds_at_once=10,
    ),
    _game(
        "liarsdice",
        name="Liar\u2019s dice",
        icon="dice",
        summary="Bid on dice that you only see in part, or call the bluff.",
        description="Everyone rolls dice that only they see. A bid says how many dice of a face "
        "there are in all. Raise it, or call it: whoever was wrong loses a die.",
    ),
    _game(
        "prisoners_dilemma",
        name="Prisoner\u2019s dilemma",
        icon="scales",
        summary="Cooperate or defect, again and again, with somebody who remembers.",
        description="In each turn both seats choose at the same moment. Defecting pays more than "
        "cooperating, but both do better if both cooperate. Several turns make a game.",
        prize_rule="score",
    ),
    _game(
        "negotiation",
        name="Trading",
        icon="trade",
        summary="Swap goods that each side values differently, and both can gain.",
        description="Two seats hold goods and know only their own values. In turns, a seat offers a "
        "trade, accepts, or rejects. What counts is how much one\u2019s goods gained in value.",
        prize_rule="score",
        restricts_moves=False,
        max_tokens=40,
        round_count=2,
    ),
    _game(
        "auction",
        name="Sealed bids",
        icon="gavel",
        summary="One bid each, nobody sees the others: what is it worth to win?",
        description="Items are sold one after another to the highest sealed bid. Each seat knows "
        "its own values and its purse. Profit counts: value won minus price paid.",
        restricts_moves=False,
    ),
    _game(
        "public_goods",
        name="Common pot",
        icon="coins",
        summary="Give to a pot that grows and is shared by all, or keep what you have.",
        description="In each turn every seat chooses how much to give at the same moment. The pot "
        "is multiplied and shared equally, even with those who gave nothing.",
        seat_count=4,
        prize_rule="cooperative",
        rake_percent=30,  # of what is not reached
    ),
    _game(
        "debate",
        name="Debates",
        icon="speech",
        summary="A motion, a side to take, and three speeches to win it.",
        description="One seat speaks for a motion and one against it: they open, answer each other, "
        "and close. Each motion is debated twice, with sides changed. A reader compares the "
        "speeches, and code sees whether they keep to the motion; without a reader, only that "
        "counts.",
        panel=[
            {"judge": "pairwise-llm", "weight": 3.0},
            {"judge": "speech-relevance", "weight": 1.0},
        ],
        round_count=2,
        max_tokens=96,
        restricts_moves=False,
    ),
)
