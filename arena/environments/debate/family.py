"""Debates: a motion, a seat for it and a seat against it, three speeches each. Pure.

Both open, answer each other, and close, the seat for the motion first. Nothing in code can tell who
argues better: an episode has no payoffs, and the panel decides. Of a speech longer than its bound
only the beginning is heard, so that length buys nothing. What fails a gate, such as the motion said
again or a word to the judges, is no speech: the seat is told why, and tries once more. A seat that
loses its turn says nothing in it.

As a single task, a speech is scored by its form. Value, in [0, 1]:

    value = length * (0.4 * relation + 0.45 * originality + 0.15 * plain)
                   * (1 if every gate holds, else 0.1)
    0 if it says nothing

`length` is 1 in the asked range of words and falls below and above it; `relation` is 1 if the
speech names the motion, or shares a content word with it or with what was said; `originality` is
how many of its content words, the motion's aside, were not said before, full from a half on;
`plain` is 1 without headings and other markup. `passed` says that the gates, the length and the
relation hold.
"""

from collections.abc import Mapping
from random import Random

from arena.environments.base import (
    IllegalTurn,
    Message,
    Position,
    Score,
    Seats,
    Split,
    Task,
    TextView,
    user_turn,
)
from arena.environments.debate.motions import BY_TEXT, MOTIONS
from arena.environments.text.gates import gated_factor, gates
from arena.environments.text.markup import read
from arena.environments.text.rubric import fitting, has_list, originality, plain
from arena.environments.text.words import FUNCTION_WORDS, bare_words, words
from judges.transcript import Check

RELATION_WEIGHT, ORIGINALITY_WEIGHT, PLAIN_WEIGHT = 0.4, 0.45, 0.15
GATED_FACTOR = 0.1
SIDES = ("for", "against")
PARTS = ("opening", "rebuttal", "closing")
DUTIES = (
    "Give your first reason.",
    "Answer what the other side said, and give one more reason.",
    "Say in the end why your side is right.",
)
WORD_BOUNDS = ((12, 40), (12, 45), (15, 40), (15, 45), (15, 50))
MAX_SPEECH_BYTES = 360  # of what is heard
WORDINGS = ("Motion: {motion}", "The house believes: {motion}", 'The debate is about "{motion}"')

# How the coded debater begins each part, for and against; its argument follows.
_PHRASES = (
    (
        ("I gladly stand up to say that {motion}.", "There is one good reason why {motion}."),
        ("I cannot agree that {motion}.", "Please think twice before you say that {motion}."),
    ),
    (
        ("That is a fair worry, and yet this motion stands.", "My opponent sees only one half of the motion."),
        ("That sounds nice, but the motion has its price.", "Those who want the motion forget somebody."),
    ),
    (
        ("After all of this, the motion deserves a clear yes.", "Let us be brave and carry this motion."),
        ("To finish, whoever weighs both sides must refuse the motion.", "Common sense tells us to turn this motion down."),
    ),
)  # fmt: skip


class Debate:
    """An Environment. Position: {"motion", "wording", "fewest", "most", "speeches": [text]}."""

    slug = "debate"
    name = "Debate"
    max_task_chars = 2_400
    seats = Seats(2, 2)
    turn_limit = len(SIDES) * len(PARTS)
    difficulty_count = 1

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        fewest, most = rng.choice(WORD_BOUNDS)
        position = {
            "motion": rng.choice(MOTIONS[split]).text,
            "wording": rng.choice(WORDINGS),
            "fewest": fewest,
            "most": most,
            "speeches": [],
        }
        return self.position_task(position, 0, split)

    def practice_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        """Any speech of a debate of coded speeches."""
        task = self.make_task(rng, split, difficulty)
        now = self.begin(task, 2)
        for _ in range(rng.randrange(self.turn_limit)):
            now = self.act(now, self.to_move(now)[0], self.solve(now, self.to_move(now)[0], rng))
        return self.position_task(now, self.to_move(now)[0], split)

    def position_task(self, position: Position, seat: int, split: Split) -> Task:
        """The task to make the seat's next speech."""
        prompt = self.observe(position, seat)[0]["content"]
        return Task(self.slug, prompt, {"position": dict(position), "seat": seat}, split)

    def begin(self, task: Task, seats: int) -> Position:
        return task.data["position"]  # type: ignore[no-any-return]

    def to_move(self, position: Position) -> tuple[int, ...]:
        spoken = len(position["speeches"])
        return (spoken % len(SIDES),) if spoken < self.turn_limit else ()

    def observe(self, position: Position, seat: int) -> list[Message]:
        part = len(position["speeches"]) // len(SIDES)
        said = (
            f"{SIDES[place % len(SIDES)].capitalize()}: {text or '(nothing)'}"
            for place, text in enumerate(position["speeches"])
        )
        lines = (
            position["wording"].format(motion=position["motion"]),
            f"You speak {SIDES[seat]} the motion. This is your {PARTS[part]}. {DUTIES[part]}",
            *(("Said so far:", *said) if position["speeches"] else ()),
            f"Answer with your speech only, {position['fewest']} to {position['most']} words.",
        )
        return user_turn("\n".join(lines))

    def moves(self, position: Position, seat: int) -> tuple[str, ...]:
        return ()

    def act(self, position: Position, seat: int, text: str) -> Position:
        speech = heard(text, position["most"])
        if not words(speech):
            raise IllegalTurn("The speech has no words.")
        # Who says again what it has said itself copies nobody.
        others = [
            said if n % len(SIDES) != seat else "" for n, said in enumerate(position["speeches"])
        ]
        told = self.observe({**position, "speeches": others}, seat)[0]["content"]
        if failed := [check for check in gates(read(text), told) if not check.passed]:
            # Without what it quotes: a match's events keep the sentence for good.
            raise IllegalTurn(
                f"That is no speech: it {failed[0].detail.partition('; repeats')[0]}."
            )
        return {**position, "speeches": [*position["speeches"], speech]}

    def forfeit(self, position: Position, seat: int) -> Position:
        return {**position, "speeches": [*position["speeches"], ""]}

    def payoffs(self, position: Position) -> Mapping[int, float]:
        return {}

    def view(self, position: Position) -> TextView:
        """The motion and who is to speak; pages show the speeches themselves."""
        spoken = len(position["speeches"])
        if spoken == self.turn_limit:
            return TextView(position["motion"])
        side, part = SIDES[spoken % len(SIDES)], PARTS[spoken // len(SIDES)]
        return TextView(f"{position['motion']}\n{part.capitalize()}: the seat {side} the motion.")

    def score(self, task: Task, text: str) -> Score:
        position, answer = task.data["position"], read(text)
        known = " ".join((position["motion"], *position["speeches"]))
        listed = has_list(answer)
        gated = (
            *gates(answer, task.prompt),
            Check("no list", not listed, "is a list" if listed else "is no list"),
        )
        said = len(words(answer.text))
        length = fitting(said, position["fewest"], position["most"])
        asked = f"{position['fewest']} to {position['most']} were asked for"
        fits = Check("length", length == 1, f"has {said} words ({asked})")
        related = bool(_content(answer.text) & ({"motion"} | _content(known)))
        relation = Check("relation", related, _RELATION[related])
        own = originality(answer, known, demanded=_content(position["motion"]))
        original = Check(
            "original", own == 1, f"has {own:.0%} of the words of its own that it needs"
        )
        unmarked = plain(answer)
        value = length * (
            RELATION_WEIGHT * related + ORIGINALITY_WEIGHT * own + PLAIN_WEIGHT * unmarked.passed
        )
        holds = all(check.passed for check in gated)
        return Score(
            value=min(1.0, value * gated_factor(gated, GATED_FACTOR)),
            passed=holds and fits.passed and related,
            checks=(fits, relation, original, unmarked, *gated),
        )

    def solve(self, position: Position, seat: int, rng: Random) -> str:
        part = len(position["speeches"]) // len(SIDES)
        spoken = " ".join(position["speeches"][seat :: len(SIDES)])
        arguments = BY_TEXT[position["motion"]].arguments[seat]
        fresh = [argument for argument in arguments if argument not in spoken]
        motion = position["motion"][0].lower() + position["motion"].rstrip(".")[1:]
        speeches = [
            f"{phrase.format(motion=motion)} {argument}"
            for phrase in _PHRASES[part][seat]
            for argument in fresh or arguments
        ]
        rng.shuffle(speeches)
        # A long motion may leave too few words that are the speech's own, a short one too few at all.
        task = self.position_task(position, seat, Split.TRAIN)
        return next((one for one in speeches if self.score(task, one).value == 1), speeches[0])


_RELATION = {True: "is about the motion or an argument", False: "has nothing to do with the motion"}


def heard(text: str, most_words: int) -> str:
    """The beginning of a speech that counts, on one line, without invisible characters."""
    spoken = read(text).text.split()[:most_words]
    kept = " ".join(spoken).encode(errors="replace")[:MAX_SPEECH_BYTES]
    return kept.decode(errors="ignore")


def _content(text: str) -> set[str]:
    return {word for word in bare_words(text) if word not in FUNCTION_WORDS}
