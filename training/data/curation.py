"""Which of an agent's pairs a run learns from, and why the others are left out. Pure."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from training.configs.shares import coded_beside, share_of

# Texts with at least this similarity (Jaccard, of word 5-grams) say the same.
NEAR = 0.8
GRAM_WORDS = 5
# In tokens; the harvest has left out the extremes (pairs.MAX_LENGTH_RATIO, of characters).
# Measured: docs/decisions/pair-curation.md
MAX_LENGTH_RATIO = 6.0
SHORT_TOKENS = 8  # answers shorter than this count as this long in the ratio
MAX_PAIRS_PER_TASK = 4  # in one run, however many rounds used the task
# One opponent's share of a run's places, if there are at least MIN_OPPONENTS; pairs against house
# agents beyond it may fill places left empty. Why: docs/decisions/pair-curation.md
MAX_OPPONENT_SHARE = 0.6
MIN_OPPONENTS = 3
MAX_NOISE = 0.45  # at 0.5 a pair would say nothing

_PUNCTUATION = ".,;:!?\"'()[]"
_WORD = re.compile(r"\w+|[^\w\s.,;:!?\"'()\[\]]")  # operators are words, punctuation is not


class Reason(StrEnum):
    """Why an example is left out; the manifest counts them."""

    OVERRULED = "overruled"  # a granted appeal put its two answers the other way round
    ILLEGAL = "illegal"  # its better answer was no legal move
    ERASED = "erased"  # one of its answers is of a person who has left
    WITHOUT_TOKENS = "without_tokens"  # stored before token ids were, never sampled, or erased
    OTHER_BASE = "other_base"  # its ids belong to another tokenizer
    CONTROL_TOKENS = "control_tokens"  # in the answer, where they could imitate another role
    HELD_OUT = "held_out"  # its task is one of the gate's, or close to one
    STALE = "stale"
    TOO_LONG = "too_long"
    LENGTH_RATIO = "length_ratio"
    DUPLICATE = "duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    TASK_CAP = "task_cap"
    OPPONENT_CAP = "opponent_cap"
    CODED_SHARE = "coded_share"  # of a coded seat, above the share that the agent's owner allows
    # Of groups; see training.data.groups.
    NOT_ANSWERED = "not_answered"  # the server refused the task
    NOT_JUDGED = "not_judged"  # no judge of the panel voted
    OTHER_PROMPT = "other_prompt"  # asked under a prompt that the agent no longer has
    TOO_FEW_ANSWERS = "too_few_answers"
    SAME_SCORES = "same_scores"  # every advantage is zero


@dataclass(frozen=True)
class PairCandidate:
    """A pair, as far as curation needs it."""

    pair_id: int
    task: str  # the task's prompt
    task_key: str
    prompt_ids: Sequence[int]
    chosen_ids: Sequence[int]
    rejected_ids: Sequence[int]
    chosen_text: str
    rejected_text: str
    is_fresh: (
        bool  # the agent's own answer comes from a version close enough to the one that learns
    )
    opponent_id: int  # the agent that gave the other answer
    is_against_house: bool
    is_same_base: bool
    is_plain: bool  # see ChatTokens.is_plain, of the better answer
    is_erased: bool = False  # or will be, since its author leaves
    is_coded: bool = False  # the better answer is that of a coded seat
    is_overruled: bool = False  # by an appeal
    is_illegal: bool = False  # the better answer, as a move


@dataclass(frozen=True)
class Limits:
    """What one run accepts."""

    places: int  # maximum number of examples
    max_length: int  # tokens of prompt and answer
    coded_share: float = 1.0  # of the better answers: most that may be those of coded seats


@dataclass(frozen=True)
class Curated:
    """The pairs that a run learns from, oldest first."""

    kept: Sequence[PairCandidate]
    left_out: Mapping[str, int]  # Reason -> number


def noise_of(agreement: float) -> float:
    """Probability that the panel's preference is wrong, [0, MAX_NOISE].

    `agreement` is the share of the panel that agrees: the share of judges who prefer the other
    answer is taken as the probability that the panel is wrong.
    """
    return min(MAX_NOISE, max(0.0, 1.0 - agreement))


class HeldOutTasks:
    """The tasks that a run must not learn from, because it is judged on them."""

    def __init__(self, prompts: Iterable[str], *, by_letter: bool = False) -> None:
        """`by_letter`: another prompt is another task, as positions of a game are."""
        self._by_gram: dict[tuple[str, ...], list[_Wording]] = defaultdict(list)
        self._known: dict[str, bool] = {}
        if by_letter:
            self._known = dict.fromkeys(prompts, True)
            return
        for task in map(_Wording, prompts):
            for gram in task.grams:
                self._by_gram[gram].append(task)

    def contain(self, prompt: str) -> bool:
        """Whether the prompt is (nearly) one of these: similar from `NEAR` on, or one inside the other.

        Tells apart tasks made from one template. Ignores changes of case, space and punctuation, and
        finds additions before or after five or more words; a changed word in the middle is found in
        texts of 50 or more words. Measured: docs/decisions/held-out-likeness.md
        """
        if prompt not in self._known:
            asked = _Wording(prompt)
            self._known[prompt] = any(
                asked.is_near(task) or asked.holds(task) or task.holds(asked)
                for gram in asked.grams
                for task in self._by_gram.get(gram, ())
            )
        return self._known[prompt]


def curate_pairs(
    newest_first: Sequence[PairCandidate], *, limits: Limits, held_out: HeldOutTasks
) -> Curated:
    """The newest pairs that pass every rule; older pairs replace those left out.

    A coded seat's pair above its share has not kept out the pairs that say the same.
    """
    coded_places = share_of(limits.places, limits.coded_share)
    while True:
        curated = _curated(newest_first, coded_places, limits=limits, held_out=held_out)
        coded = sum(pair.is_coded for pair in curated.kept)
        most = coded_beside(len(curated.kept) - coded, share=limits.coded_share, coded=coded)
        if most == coded:
            return curated
        coded_places = most  # fewer each time, since no more than these places were taken


def _curated(
    newest_first: Sequence[PairCandidate],
    coded_places: int,
    *,
    limits: Limits,
    held_out: HeldOutTasks,
) -> Curated:
    """With so many places for coded seats at the most, however few the others take."""
    cap = _opponent_cap(newest_first, places=limits.places)
    kept: list[PairCandidate] = []
    waiting: list[PairCandidate] = []  # of house agents above their cap
    left_out: Counter[str] = Counter()
    from_opponent: Counter[int] = Counter()
    seen = _Seen()
    for pair in newest_first:
        if len(kept) == limits.places:
            break
        reason = _problem(pair, limits, held_out)
        if reason is None and pair.is_coded and coded_places == 0:
            reason = Reason.CODED_SHARE
        is_above_cap = from_opponent[pair.opponent_id] >= cap
        if reason is None and is_above_cap and pair.is_against_house:
            waiting.append(pair)
            continue
        reason = reason or seen.problem(pair)
        if reason is None and is_above_cap:
            reason = Reason.OPPONENT_CAP
        if reason is not None:
            left_out[reason.value] += 1
            continue
        kept.append(pair)
        from_opponent[pair.opponent_id] += 1
        coded_places -= pair.is_coded
    for pair in waiting:
        if len(kept) == limits.places:
            reason = Reason.OPPONENT_CAP
        elif pair.is_coded and coded_places == 0:
            reason = Reason.CODED_SHARE
        else:
            reason = seen.problem(pair)
        if reason is not None:
            left_out[reason.value] += 1
            continue
        kept.append(pair)
        coded_places -= pair.is_coded
    oldest_first = sorted(kept, key=lambda pair: pair.pair_id)
    return Curated(oldest_first, dict(sorted(left_out.items())))


def _opponent_cap(pairs: Sequence[PairCandidate], *, places: int) -> int:
    if len({pair.opponent_id for pair in pairs}) < MIN_OPPONENTS:
        return places
    return ceil(MAX_OPPONENT_SHARE * places)


def _problem(pair: PairCandidate, limits: Limits, held_out: HeldOutTasks) -> Reason | None:
    """What is wrong with the pair in itself."""
    if pair.is_erased:
        return Reason.ERASED
    if pair.is_overruled:
        return Reason.OVERRULED
    if pair.is_illegal:
        return Reason.ILLEGAL
    if not (pair.prompt_ids and pair.chosen_ids and pair.rejected_ids):
        return Reason.WITHOUT_TOKENS
    if not pair.is_same_base:
        return Reason.OTHER_BASE
    if not pair.is_plain:
        return Reason.CONTROL_TOKENS
    if held_out.contain(pair.task):
        return Reason.HELD_OUT
    if not pair.is_fresh:
        return Reason.STALE
    short, long = sorted((len(pair.chosen_ids), len(pair.rejected_ids)))
    if len(pair.prompt_ids) + long > limits.max_length:
        return Reason.TOO_LONG
    if long > MAX_LENGTH_RATIO * max(short, SHORT_TOKENS):
        return Reason.LENGTH_RATIO
    return None


class _Seen:
    """The pairs accepted so far, by task."""

    def __init__(self) -> None:
        self._ids: set[tuple[tuple[int, ...], ...]] = set()
        self._wordings: dict[tuple[str, ...], list[tuple[_Wording, _Wording]]] = {}
        self._of_task: Counter[str] = Counter()

    def problem(self, pair: PairCandidate) -> Reason | None:
        """What is wrong with the pair next to the others; if nothing is, it is added to them."""
        ids = (tuple(pair.prompt_ids), tuple(pair.chosen_ids), tuple(pair.rejected_ids))
        if ids in self._ids:
            return Reason.DUPLICATE
        wording = (_Wording(pair.chosen_text), _Wording(pair.rejected_text))
        same_task = self._wordings.setdefault(_task_words(pair.task), [])
        if any(
            wording[0].is_near(chosen) and wording[1].is_near(rejected)
            for chosen, rejected in same_task
        ):
            return Reason.NEAR_DUPLICATE
        if self._of_task[pair.task_key] >= MAX_PAIRS_PER_TASK:
            return Reason.TASK_CAP
        self._ids.add(ids)
        same_task.append(wording)
        self._of_task[pair.task_key] += 1
        return None


def _task_words(task: str) -> tuple[str, ...]:
    """A task, ignoring case, space and the punctuation of words; a mark alone is a board's empty cell."""
    return tuple(word.strip(_PUNCTUATION) or word for word in task.casefold().split())


class _Wording:
    """A text as words, ignoring case, space and punctuation."""

    def __init__(self, text: str) -> None:
        self.words = tuple(_WORD.findall(text.casefold()))
        ends = range(GRAM_WORDS, max(GRAM_WORDS, len(self.words)) + 1)
        self.grams = {self.words[max(0, end - GRAM_WORDS) : end] for end in ends}

    def is_near(self, other: "_Wording") -> bool:
        shared = len(self.grams & other.grams)
        return shared >= NEAR * len(self.grams | other.grams)

    def holds(self, other: "_Wording") -> bool:
        """Whether it contains all of the other's words in a row; fewer than GRAM_WORDS never count."""
        size = len(other.words)
        if not GRAM_WORDS <= size <= len(self.words) or not other.grams <= self.grams:
            return False
        starts = range(len(self.words) - size + 1)
        return any(self.words[start : start + size] == other.words for start in starts)
