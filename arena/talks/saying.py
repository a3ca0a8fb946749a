"""What is said to a version: whose words they are, and how much of it there may be. Pure."""

from collections.abc import Mapping, Sequence

from agents.errors import Refused
from agents.prompts import UNSTORABLE, UNSTORABLE_TOLD

ROLES = ("system", "user", "assistant")
MAX_MESSAGES = 200
MAX_CHARS = 100_000  # of all messages: more than any context here holds


def checked_messages(
    given: Sequence[Mapping[str, str]], *, prompt: str
) -> tuple[dict[str, str], ...]:
    """The messages as the model gets them. Raises Refused with a sentence.

    The version's prompt comes first, as in a match, unless they bring a system message of their own.
    """
    if not given:
        raise Refused("There is no message to answer.")
    if len(given) > MAX_MESSAGES:
        raise Refused(f"These are {len(given):,} messages; at most {MAX_MESSAGES} fit.")
    if any(each["role"] not in ROLES for each in given):
        raise Refused(f"A message is from one of {', '.join(ROLES)}.")
    chars = sum(len(each["content"]) for each in given)
    if chars > MAX_CHARS:
        raise Refused(f"The messages have {chars:,} characters; at most {MAX_CHARS:,} fit.")
    if any(UNSTORABLE.search(each["content"]) for each in given):
        raise Refused(UNSTORABLE_TOLD)
    if not any(each["content"].strip() for each in given if each["role"] != "system"):
        raise Refused("There is no message to answer.")
    messages = [{"role": each["role"], "content": each["content"]} for each in given]
    if not any(each["role"] == "system" for each in messages):
        messages.insert(0, {"role": "system", "content": prompt})
    return tuple(messages)
