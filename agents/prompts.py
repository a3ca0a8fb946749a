"""Limits on the text that users put into a model's context."""

import re

MAX_PROMPT_CHARS = 2000
UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")  # JSON may hold them; no database takes them
UNSTORABLE_TOLD = "Remove the NUL characters and the lone surrogates."

# ChatML and the control tokens of the other common chat templates: <|im_end|>, <|eot_id|>, ...
_CONTROL_TOKEN = re.compile(
    r"<\|[^<>|\s]{1,40}\|>|</?s>|\[/?INST\]|<</?SYS>>"
    r"|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk|endoftext|repo_name|reponame|file_sep"
    r"|filename|gh_stars|issue_start|issue_comment|issue_closed|jupyter_start|jupyter_text"
    r"|jupyter_code|jupyter_output|jupyter_script|empty_output)>",
    re.IGNORECASE,
)
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def find_control_tokens(text: str) -> list[str]:
    """Substrings that a chat template would read as structure: in order, without repeats."""
    return list(dict.fromkeys(_CONTROL_TOKEN.findall(text)))


def problem_with_prompt(text: str) -> str | None:
    """A sentence for the author if the prompt cannot be used as it is, else None."""
    if not text.strip():
        return "Write a prompt: it tells your agent how to answer."
    if len(text) > MAX_PROMPT_CHARS:
        return (
            f"The prompt has {len(text):,} characters; at most {MAX_PROMPT_CHARS:,} leave the "
            "model room for the task and its answer."
        )
    if tokens := find_control_tokens(text):
        return (
            f"Remove {', '.join(tokens[:3])}: chat models read that as the end of a message, "
            "not as text."
        )
    if _CONTROL_CHARACTER.search(text.replace("\r\n", "\n")):
        return "Remove the invisible control characters; they often come with pasted text."
    return None


def neutralised(text: str) -> str:
    """The text with control tokens broken up, so that no template reads them as structure."""
    if "<" not in text and "[" not in text:  # most texts: every control token begins with one
        return text
    return _CONTROL_TOKEN.sub(_broken, text).replace("<|", "<¦")


def _broken(token: re.Match[str]) -> str:
    text = token.group()
    return text.replace("|", "¦") if "|" in text else f"{text[0]}¦{text[1:]}"
