"""The real base's tokenizer against what the room for prompts takes for granted."""

from pathlib import Path
from random import Random

from agents.models import BaseModel
from agents.tokens import TEMPLATE_TOKENS, count_tokens
from arena.environments import ENVIRONMENTS
from arena.environments.asking import exchange_tokens
from arena.environments.base import Split
from arena.environments.games.base import Game

CHAT = (
    "<|im_start|>system\n{prompt}<|im_end|>\n<|im_start|>user\n{task}<|im_end|>\n"
    "<|im_start|>assistant\n"
)


def test_tasks_and_the_chat_template_take_no_more_tokens_than_a_prompt_leaves_them(
    base_model: Path,
) -> None:
    base, rng = BaseModel(path=str(base_model)), Random(1)
    prompt = "Réponds en 3 mots: 你好! 😀 "
    own = count_tokens(base, prompt)
    assert own is not None
    for environment in ENVIRONMENTS.values():
        count = 40 if isinstance(environment, Game) else 500
        for split in Split:
            difficulties = [number % environment.difficulty_count for number in range(count)]
            tasks = {environment.practice_task(rng, split, each).prompt for each in difficulties}
            for task in tasks:
                asked = count_tokens(base, CHAT.format(prompt=prompt, task=task))
                assert asked is not None
                assert asked - own <= TEMPLATE_TOKENS + exchange_tokens(environment, max_tokens=0)
