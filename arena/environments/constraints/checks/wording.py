"""Rules about which words are said, and where."""

from arena.environments.constraints.checks.finding import Finding, Params, near, plural
from arena.environments.text.markup import Reading
from arena.environments.text.sentences import split_sentences
from arena.environments.text.words import bare_words, words


def include(params: Params, answer: Reading) -> Finding:
    said = set(bare_words(answer.text))
    missing = [word for word in params["words"] if word not in said]
    total = len(params["words"])
    if not missing:
        return Finding(1.0, "uses every word that was asked for")
    used = total - len(missing)
    return Finding(used / total, f"uses {used} of {plural(total, 'word')} that were asked for")


def repeat(params: Params, answer: Reading) -> Finding:
    got, wanted = bare_words(answer.text).count(params["word"]), params["n"]
    detail = f"says “{params['word']}” {plural(got, 'time')} (at least {wanted} were asked for)"
    return Finding(min(1.0, got / wanted), detail)


def start_word(params: Params, answer: Reading) -> Finding:
    said = bare_words(answer.text)
    wanted = params["word"].casefold()
    if said[:1] == [wanted]:
        return Finding(1.0, f"starts with “{params['word']}”")
    partial = 0.5 if wanted in said[:5] else 0.0
    return Finding(partial, f"does not start with “{params['word']}”")


def end_phrase(params: Params, answer: Reading) -> Finding:
    phrase = params["phrase"]
    wanted, said = words(phrase), words(answer.text)
    if said[-len(wanted) :] == wanted:
        return Finding(1.0, f"ends with “{phrase}”")
    partial = 0.5 if f" {' '.join(wanted)} " in f" {' '.join(said)} " else 0.0
    return Finding(partial, f"does not end with “{phrase}”")


def avoid(params: Params, answer: Reading) -> Finding:
    got = bare_words(answer.text).count(params["unwanted"])
    return Finding(near(got, 0), f"says “{params['unwanted']}” {plural(got, 'time')}")


def initials(params: Params, answer: Reading) -> Finding:
    letter, wanted = params["letter"], params["n"]
    got = len({word for word in words(answer.text) if word.startswith(letter)})
    detail = f"has {plural(got, 'different word')} with “{letter}” (at least {wanted})"
    return Finding(min(1.0, got / wanted), detail)


def sentence_starts(params: Params, answer: Reading) -> Finding:
    letter, wanted = params["letter"], params["n"]
    parts = split_sentences(answer)
    right = sum(words(part)[0].startswith(letter.casefold()) for part in parts)
    share = right / len(parts) if parts else 0.0
    detail = (
        f"has {plural(len(parts), 'sentence')}, {right} of them with “{letter}” first"
        f" ({wanted} were asked for)"
    )
    return Finding(share * near(len(parts), wanted), detail)


def first_last(params: Params, answer: Reading) -> Finding:
    said = words(answer.text)
    if len(said) >= 3 and said[0] == said[-1]:
        return Finding(1.0, "begins and ends with the same word")
    partial = 0.4 if said[:1] and said[0] in said[1:] else 0.0
    return Finding(partial, "does not begin and end with the same word")
