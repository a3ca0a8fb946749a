"""Rules about letters, marks and figures."""

import re
from calendar import monthrange

from arena.environments.constraints.checks.finding import Finding, Params, near, plural
from arena.environments.text.markup import Reading
from arena.environments.text.sentences import split_sentences
from arena.environments.text.words import words


def lowercase(params: Params, answer: Reading) -> Finding:
    bad = sum(word != word.lower() for word in answer.text.split())
    return Finding(near(bad, 0), f"has {plural(bad, 'word')} with upper case letters")


def uppercase(params: Params, answer: Reading) -> Finding:
    tokens = answer.text.split()
    bad = sum(word != word.upper() for word in tokens)
    share = 1 - bad / len(tokens) if tokens else 0.0
    return Finding(share, f"has {plural(bad, 'word')} with lower case letters")


def capitalized(params: Params, answer: Reading) -> Finding:
    # "3rd" and "5pm" begin with a digit.
    initials = [
        found.group()[0] for found in re.finditer(r"(?<!\w)[^\W\d_][\w'\u2019-]*", answer.text)
    ]
    bad = sum(letter != letter.upper() for letter in initials)
    share = 1 - bad / len(initials) if initials else 0.0
    return Finding(share, f"has {plural(bad, 'word')} that do not start with a capital letter")


def no_commas(params: Params, answer: Reading) -> Finding:
    commas = len(re.findall("[,\uff0c\u3001\u201a\u060c]", answer.text))
    return Finding(near(commas, 0), f"has {plural(commas, 'comma')}")


def quotes(params: Params, answer: Reading) -> Finding:
    # A stop may stand behind the quote that closes: '"Cats purr".'
    text = answer.text.rstrip(".")
    text = text if text.endswith(_CLOSING) else answer.text
    opens, closes = text.startswith(_OPENING), len(text) > 1 and text.endswith(_CLOSING)
    if opens and closes and _closes_early(text):
        return Finding(0.75, "has words outside its quotes")
    shown = {2: "is wrapped in quotes", 1: "has a quote at one end only", 0: "is not in quotes"}
    return Finding((opens + closes) / 2, shown[opens + closes])


def _closes_early(text: str) -> bool:
    """Whether the first quote is closed before the last one; quotes may stand inside it."""
    depth = 0
    for found in re.finditer('["\u201c\u201d]', text[:-1]):
        before = text[max(0, found.start() - 1) : found.start()]
        after = text[found.end()]
        begins = not before or before.isspace() or before in "([{\u2014\u2013-\u201c\"'"
        opens = found[0] == "\u201c" or (found[0] == '"' and begins and not after.isspace())
        depth += 1 if opens else -1
        if not 0 < depth <= _DEEPEST_QUOTE:
            return bool(words(text[found.end() :]))
    return False


_DEEPEST_QUOTE = 10  # each paragraph of a quotation may open one
_OPENING, _CLOSING = ('"', "\u201c"), ('"', "\u201d")


def number(params: Params, answer: Reading) -> Finding:
    if re.search(r"\d", answer.text):
        return Finding(1.0, "has a number in digits")
    spelled = any(word in _NUMBER_WORDS for word in words(answer.text))
    return Finding(0.5 if spelled else 0.0, "has no number in digits")


_NUMBER_WORDS = frozenset(words("two three four five six seven eight nine ten hundred thousand"))


def percent(params: Params, answer: Reading) -> Finding:
    if re.search(r"\d\s?(?:%|per ?cent\b)", answer.text):
        return Finding(1.0, "has a percentage")
    return Finding(0.3 if re.search(r"\d", answer.text) else 0.0, "has no percentage")


def iso_date(params: Params, answer: Reading) -> Finding:
    found = re.findall(r"(?<!\d)(\d{4})-(\d\d)-(\d\d)(?!\d)", answer.text)
    if any(_is_date(*map(int, date)) for date in found):
        return Finding(1.0, "has a date like 2024-05-31")
    return Finding(0.5 if found else 0.0, "has no date like 2024-05-31")


def _is_date(year: int, month: int, day: int) -> bool:
    return year > 0 and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]


def no_letter(params: Params, answer: Reading) -> Finding:
    got = answer.text.casefold().count(params["letter"])
    return Finding(near(got, 0), f"has the letter “{params['letter']}” {plural(got, 'time')}")


def exclaim(params: Params, answer: Reading) -> Finding:
    parts = split_sentences(answer)
    calm = sum(not part.rstrip(_CLOSERS).endswith(("!", "\uff01")) for part in parts)
    share = 1 - calm / len(parts) if parts else 0.0
    return Finding(share, f"has {plural(calm, 'sentence')} that do not end with “!”")


_CLOSERS = "\"')]} \u201d\u00bb"


def ellipsis(params: Params, answer: Reading) -> Finding:
    got = len(re.findall(r"\.{3,}|\u2026", answer.text))
    detail = f"has {got} ellipses (one was asked for)"
    return Finding(near(got, 1) if got else 0.0, detail)


def semicolon(params: Params, answer: Reading) -> Finding:
    got = len(re.findall("[;\uff1b]", answer.text))
    return Finding(
        near(got, 1) if got else 0.0, f"has {plural(got, 'semicolon')} (one was asked for)"
    )


def parentheses(params: Params, answer: Reading) -> Finding:
    text = answer.text
    opens, closes = text.count("("), text.count(")")
    start, end = text.find("("), text.rfind(")")
    if opens == closes == 1 and words(text[start:end]) and words(text[:start] + text[end:]):
        return Finding(1.0, "has one remark in parentheses")
    return Finding(0.5 if opens and closes else 0.0, "does not have one remark in parentheses")


def highlight(params: Params, answer: Reading) -> Finding:
    marked = re.findall(r"\*{1,3}([^\s*][^*\n]{0,60})\*{1,3}", answer.raw)
    got, wanted = sum(bool(words(each)) for each in marked), params["n"]
    detail = f"marks {plural(got, 'part')} with *stars* (at least {wanted} were asked for)"
    return Finding(min(1.0, got / wanted), detail)
