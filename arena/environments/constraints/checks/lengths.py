"""Rules about how much is said."""

from itertools import pairwise

from arena.environments.constraints.checks.finding import Finding, Params, near, plural
from arena.environments.text.markup import Reading
from arena.environments.text.sentences import count_sentences, split_sentences
from arena.environments.text.words import words


def max_words(params: Params, answer: Reading) -> Finding:
    got, limit = len(words(answer.text)), params["n"]
    detail = f"has {plural(got, 'word')} (at most {limit} were asked for)"
    return Finding(1.0 if got <= limit else limit / (got + limit), detail)


def min_words(params: Params, answer: Reading) -> Finding:
    got, wanted = len(words(answer.text)), params["n"]
    return Finding(
        min(1.0, got / wanted), f"has {plural(got, 'word')} (at least {wanted} were asked for)"
    )


def sentences(params: Params, answer: Reading) -> Finding:
    got, wanted = count_sentences(answer), params["n"]
    return Finding(near(got, wanted), f"has {plural(got, 'sentence')} ({wanted} were asked for)")


def one_line(params: Params, answer: Reading) -> Finding:
    lines = max(1, sum(bool(line.text) and not line.is_same_row for line in answer.lines))
    got = len(words(answer.text))
    outside = max(params["low"] - got, got - params["high"], 0)
    closeness = near(outside, 0) / lines
    shown = f"has {plural(got, 'word')} on {plural(lines, 'line')}"
    return Finding(
        closeness, f"{shown} ({params['low']} to {params['high']} on one line were asked for)"
    )


def exact_words(params: Params, answer: Reading) -> Finding:
    got, wanted = len(words(answer.text)), params["n"]
    return Finding(near(got, wanted), f"has {plural(got, 'word')} ({wanted} were asked for)")


def word_range(params: Params, answer: Reading) -> Finding:
    got, low, high = len(words(answer.text)), params["low"], params["high"]
    detail = f"has {plural(got, 'word')} ({low} to {high} were asked for)"
    if got < low:
        return Finding(got / low, detail)
    return Finding(1.0 if got <= high else high / got, detail)


def min_sentences(params: Params, answer: Reading) -> Finding:
    got, wanted = count_sentences(answer), params["n"]
    detail = f"has {plural(got, 'sentence')} (at least {wanted} were asked for)"
    return Finding(min(1.0, got / wanted), detail)


def growing(params: Params, answer: Reading) -> Finding:
    sizes, wanted = [len(words(part)) for part in split_sentences(answer)], params["n"]
    rises = sum(first < second for first, second in pairwise(sizes))
    share = (1 + rises) / len(sizes) if sizes else 0.0
    detail = f"has {plural(len(sizes), 'sentence')}; {rises} are longer than the one before"
    return Finding(share * near(len(sizes), wanted), detail)


def short_sentences(params: Params, answer: Reading) -> Finding:
    sizes, wanted, most = (
        [len(words(part)) for part in split_sentences(answer)],
        params["n"],
        params["most"],
    )
    short = sum(size <= most for size in sizes)
    enough = min(1.0, len(sizes) / wanted)
    detail = f"has {plural(short, 'sentence')} of at most {most} words, of {len(sizes)}"
    return Finding(enough * short / len(sizes) if sizes else 0.0, detail)
