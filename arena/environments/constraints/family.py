"""The Constraints Space: a text about a topic, under rules checked in code; the harder, the more rules.

Half of the tasks want a long answer: with short ones alone, whoever learns here learns to say
little (docs/decisions/answer-lengths.md).

Value of an answer, in [0, 1]:

    every check passed    0.91 + 0.09 * polish
    otherwise             0.5 * closeness * (1 if all gates hold, else 0.2)

`closeness` is the mean of the rules' closeness, `polish` the mean of three graded properties of
the wording (see `_polish`). A pass therefore beats every failure by at least 0.4, and both passes
and failures can be ranked among themselves. Two passes are always too close to make a preference
pair, because the task does not ask for polish. An answer that says nothing, in no word that people
know, is worth 0.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import combinations
from random import Random
from statistics import fmean
from typing import Any

from arena.environments.base import Score, Split, Task, UnknownEnvironment
from arena.environments.constraints.checks.finding import Params
from arena.environments.constraints.rules import RULES, TRAIN_RULES, UNSEEN_RULES
from arena.environments.constraints.rules.rule import Aspect, go_together
from arena.environments.constraints.solver.writing import write
from arena.environments.question import Question
from arena.environments.text.gates import gated_factor, gates
from arena.environments.text.markup import read
from arena.environments.text.topics import BY_NAME, TOPICS
from arena.environments.text.words import FUNCTION_WORDS, mentions, words
from judges.transcript import Check

PASS_FLOOR = 0.91
FAIL_CEILING = 0.5
GATED_FACTOR = 0.2
LONG_SHARE = 0.5  # of the tasks of trained kinds have a rule that needs a long answer
MOST_RULES = 3
RULES_SETTING = "rules"
COMBINED = "combined"
_NOVELTY_WANTED = 0.5  # of the answer's own words are not in the prompt
# Of the words in a row that are different. In whole answers, the share falls with their length.
_VARIETY_WANTED = 0.85
_VARIETY_WORDS = 10
_FUNCTION_SHARE = 0.1  # measured: docs/decisions/answer-gates.md

# A small model obeys most rules more often in a short answer.
_REQUESTS = (
    "Tell me about {name}.",
    "Describe {name}.",
    "Write about {name}.",
    "Say something about {name}.",
    "What are {name}?",
    "What do you know about {name}?",
)
_SHORT_REQUESTS = (
    "Write one sentence about {name}.",
    "Tell me about {name} in one sentence.",
    "Describe {name} in one sentence.",
    "Say one thing about {name}.",
    "Write one short sentence about {name}.",
    "Share one fact about {name}.",
)
_ONE_SENTENCE = re.compile(r"\bone (?:short )?sentence\b|\bone (?:thing|fact)\b", re.IGNORECASE)
_SETTLING_THE_END = frozenset(["json_keys", "line_ends"])
_DRAFTS = 30  # of an answer by code, until one is of full value
_TITLE_ONLY = "Write a title"
_HOW_MANY = "How many "
# With these and numbers alone, "How many cats are there?" is answered without naming cats.
_COUNTING = FUNCTION_WORDS | set(
    words(
        "almost altogether approximately currently earth estimated exactly hundred hundreds least million "
        "millions billion billions nearly planet probably roughly thousand thousands today total "
        "trillion world worldwide"
    )
)


class Constraints(Question):
    """Short texts under verifiable rules; with `rules`, every task has exactly those."""

    slug = "constraints"
    name = "Constraints"
    max_task_chars = 240
    difficulty_count = MOST_RULES
    setting_names = (RULES_SETTING,)

    def __init__(self, rules: Sequence[str] = ()) -> None:
        self._rules = tuple(rules)
        if rules:
            self.slug = f"constraints?{RULES_SETTING}={','.join(rules)}"
            self.difficulty_count = 1
            self.words_alike = True

    def configured(self, settings: Mapping[str, str]) -> "Constraints":
        """`rules` are names of trained rules with commas between them, at most MOST_RULES.

        Raises UnknownEnvironment: for an unknown rule, or for rules that no answer can keep at once.
        """
        rules = settings[RULES_SETTING].split(",")
        for name in rules:
            if name not in TRAIN_RULES:
                raise UnknownEnvironment(_unknown_rule(name))
        if len(set(rules)) < len(rules):
            raise UnknownEnvironment("A rule is named twice.")
        if len(rules) > MOST_RULES:
            raise UnknownEnvironment(f"A task has at most {MOST_RULES} rules, not {len(rules)}.")
        for one, other in combinations(rules, 2):
            if not go_together(RULES[one], RULES[other]):
                raise UnknownEnvironment(f"No answer can keep {one} and {other} at once.")
        return Constraints(rules)

    def make_task(self, rng: Random, split: Split, difficulty: int = 0) -> Task:
        is_fixed = self._rules and split is not Split.UNSEEN
        names = self._rules if is_fixed else _draw_rules(rng, split, difficulty + 1)
        drawn = [(name, RULES[name].draw(rng)) for name in names]
        topic = rng.choice(
            [
                topic
                for topic in TOPICS[split]
                if all(RULES[name].suits(params, topic.name) for name, params in drawn)
            ]
        )
        return Task(
            kind=drawn[0][0] if len(drawn) == 1 else COMBINED,
            prompt=_word(drawn, topic.name, rng),
            data={
                "topic": topic.name,
                "stems": list(topic.stems),
                "rules": [{"rule": name, "params": params} for name, params in drawn],
            },
            split=split,
        )

    def score(self, task: Task, text: str) -> Score:
        answer = read(text)
        said = words(answer.text)
        findings = [
            (rule["rule"], RULES[rule["rule"]].check(rule["params"], answer))
            for rule in task.data["rules"]
        ]
        is_one_word = any(_is_one_word(rule) for rule in task.data["rules"])
        on_topic = (
            mentions(answer.text, task.data["stems"])
            or (task.prompt.startswith(_HOW_MANY) and _counts_them(answer.text))
            or is_one_word
        )
        topic = task.data["topic"]
        is_list = any(RULES[rule["rule"]].is_list for rule in task.data["rules"])
        gated = (
            *gates(
                answer,
                task.prompt,
                demanded=_demanded(task.data["rules"]),
                function_share=0.0 if is_list else _FUNCTION_SHARE,
                coins=is_one_word and len(said) == 1,  # a rare word describes, too
            ),
            Check("on topic", on_topic, f"{'is' if on_topic else 'says nothing'} about {topic}"),
        )
        checks = (
            *(Check(name, finding.passed, finding.detail) for name, finding in findings),
            *gated,
        )
        passed = all(check.passed for check in checks)
        if passed:
            value = PASS_FLOOR + (1 - PASS_FLOOR) * _polish(answer.text, said, task)
        else:
            closeness = sum(finding.closeness for _, finding in findings) / len(findings)
            value = FAIL_CEILING * closeness * gated_factor(gated, GATED_FACTOR)
        return Score(value=value, passed=passed, checks=checks)

    def answer(self, task: Task, rng: Random) -> str:
        rules = {rule["rule"]: rule["params"] for rule in task.data["rules"]}
        topic = BY_NAME[task.data["topic"]]
        text = ""
        for draft in range(_DRAFTS):
            sentences = 1 if _ONE_SENTENCE.search(task.prompt) else rng.choice((1, 2))
            if task.prompt.startswith(_TITLE_ONLY):
                sentences = 0
            mixed = draft >= _DRAFTS // 2
            text = write(rules, topic, rng, sentences=sentences, mixed=mixed)
            if self.score(task, text).value == 1:
                break
        return text


def _unknown_rule(name: str) -> str:
    if name in UNSEEN_RULES:
        return f"The rule {name!r} is kept for exams: no match asks for it."
    near = get_close_matches(name, TRAIN_RULES)
    hint = (
        f"Do you mean {' or '.join(near)}?" if near else f"Choose among {', '.join(TRAIN_RULES)}."
    )
    return f"There is no rule {name!r}. {hint}"


def _is_one_word(rule: Mapping[str, Any]) -> bool:
    """Whether a rule wants a single word, which then describes the topic and doesn't name it."""
    return bool(rule["rule"] == "exact_words" and rule["params"]["n"] == 1)


def _counts_them(text: str) -> bool:
    """Whether the text says how many there are, and nothing about anything else: "There are 267"."""
    said = words(text)
    others = [word for word in said if not word[0].isdigit()]
    return len(others) < len(said) and "are" in others and _COUNTING.issuperset(others)


def _demanded(rules: Sequence[Mapping[str, Any]]) -> str:
    """The words that the rules demand."""
    found = []
    for rule in rules:
        params = rule["params"]
        found += [params.get("phrase", ""), params.get("word", ""), *params.get("words", ())]
    return " ".join(found)


def _draw_rules(rng: Random, split: Split, wanted: int) -> list[str]:
    """Names of `wanted` rules, or of fewer where no others go with them; of unseen kinds, one."""
    if split is Split.UNSEEN:
        return [rng.choice(tuple(UNSEEN_RULES))]
    is_long = rng.random() < LONG_SHARE
    drawn = [rng.choice([name for name in TRAIN_RULES if TRAIN_RULES[name].is_long is is_long])]
    others = [name for name in TRAIN_RULES if not TRAIN_RULES[name].is_long]
    for name in rng.sample(others, k=len(others)):
        if len(drawn) == wanted:
            break
        if name not in drawn and all(go_together(RULES[name], RULES[each]) for each in drawn):
            drawn.append(name)
    return drawn


def _word(drawn: Sequence[tuple[str, Params]], topic: str, rng: Random) -> str:
    """The prompt: a request with the rule in it, or a request followed by instructions."""
    (name, params), *others = drawn
    if RULES[name].requests and not others:
        return RULES[name].request(params, topic, rng)
    # A request for one sentence would contradict a rule that sets the length.
    shaped = any(Aspect.COUNT in RULES[name].settles for name, _ in drawn)
    parts = [rng.choice(_REQUESTS if shaped else _SHORT_REQUESTS).format(name=topic)]
    parts += [RULES[name].instruction(params, rng) for name, params in drawn]
    return " ".join(parts)


def _polish(text: str, said: Sequence[str], task: Task) -> float:
    """Mean of novelty of the words, their variety, and a proper ending; in [0, 1].

    Each is a share, so that a good answer gains nothing by its length.
    """
    own = set(said) - set(words(_demanded(task.data["rules"])))
    new = len(own - set(words(task.prompt))) / len(own) if own else 0.0
    ended = (
        re.search(r"[.!?][\"')\]}*\s]*$", text) is not None
        # A title has no full stop, and some rules say themselves what stands at the end.
        or task.prompt.startswith(_TITLE_ONLY)
        or any(rule["rule"] in _SETTLING_THE_END for rule in task.data["rules"])
    )
    return (
        min(1.0, new / _NOVELTY_WANTED) + min(1.0, _variety(said) / _VARIETY_WANTED) + ended
    ) / 3


def _variety(said: Sequence[str]) -> float:
    """Mean share of different words among _VARIETY_WORDS in a row."""
    starts = range(max(1, len(said) - _VARIETY_WORDS + 1))
    rows = [said[start : start + _VARIETY_WORDS] for start in starts]
    return fmean(len(set(row)) / len(row) for row in rows)
