"""Packs answers into rows of tokens without padding; each shared beginning is stored only once.

The sequences of a row form a prefix tree. Its nodes are laid out in preorder, so the ancestors of a
token are the earlier ones whose subtree has not ended yet: one integer per token (`ends`) is the
whole attention mask. The agent's own prompt is computed once for all examples of a row, and a task
once for all its answers; an answer sees only its prompt and itself.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import torch

from training.methods.examples import Unit

_ROOT = -1


@dataclass(frozen=True)
class Restriction:
    """The R of a row's N answer tokens that were drawn among given ones, U in the whole row."""

    tokens: torch.Tensor  # [R] which of the answer tokens
    others: torch.Tensor  # [N - R] the rest, drawn from the whole vocabulary
    ids: torch.Tensor  # [U] every id that was allowed anywhere, ascending
    allowed: torch.Tensor  # [R, U] bool: which of these ids were allowed for the token
    drawn: torch.Tensor  # [R] the token's own place in `ids`

    def to(self, device: torch.device) -> "Restriction":
        return Restriction(
            **{one.name: getattr(self, one.name).to(device) for one in fields(Restriction)}
        )


@dataclass(frozen=True)
class Row:
    """The input of one forward pass: T tokens, H of which predict the N answer tokens."""

    units: tuple[int, ...]  # indices of the packed units in this row
    ids: torch.Tensor  # [T]
    positions: torch.Tensor  # [T] distance from the beginning of its sequence
    ends: torch.Tensor  # [T] where each token's subtree ends; stays on the CPU
    heads: torch.Tensor  # [H] tokens that predict an answer's token, ascending
    head_of: torch.Tensor  # [N] which of the heads predicts this answer token
    targets: torch.Tensor  # [N] answer tokens, unit by unit, answer by answer
    lengths: tuple[int, ...]  # tokens of each answer, in that order
    telling: torch.Tensor  # [N] bool: which of the answer tokens were not certain
    unit_lengths: tuple[int, ...]  # answer tokens of each unit
    restriction: Restriction | None = None  # None if no answer token is restricted

    def to(self, device: torch.device) -> "Row":
        return replace(
            self,
            ids=self.ids.to(device),
            positions=self.positions.to(device),
            heads=self.heads.to(device),
            head_of=self.head_of.to(device),
            targets=self.targets.to(device),
            telling=self.telling.to(device),
            restriction=self.restriction and self.restriction.to(device),
        )


def pack(units: Sequence[Unit], *, max_tokens: int) -> Iterator[Row]:
    """Rows of at most `max_tokens` tokens, in order; a unit larger than that has its own row."""
    tree = _PrefixTree()
    taken: list[int] = []
    for index, unit in enumerate(units):
        if taken and tree.size + tree.growth(unit) > max_tokens:
            yield tree.row(units, taken)
            tree, taken = _PrefixTree(), []
        tree.add(unit)
        taken.append(index)
    if taken:
        yield tree.row(units, taken)


class _PrefixTree:
    def __init__(self) -> None:
        self._child: dict[tuple[int, int], int] = {}  # (node, token): node
        self._children: list[list[int]] = []
        self._roots: list[int] = []
        self._tokens: list[int] = []
        self._depths: list[int] = []
        self._heads: list[int] = []  # the node before each answer token

    @property
    def size(self) -> int:
        return len(self._tokens)

    def growth(self, unit: Unit) -> int:
        """An upper bound on the nodes that the unit would add (its answers may share some)."""
        known, node = 0, _ROOT
        for token in unit.prompt_ids:
            found = self._child.get((node, token))
            if found is None:
                break
            known, node = known + 1, found
        return len(unit.prompt_ids) - known + unit.answer_tokens - len(unit.answers)

    def add(self, unit: Unit) -> None:
        prompt_end = _ROOT
        for token in unit.prompt_ids:
            prompt_end = self._step(prompt_end, token)
        for answer in unit.answers:
            node = prompt_end
            self._heads.append(node)
            for token in answer[:-1]:  # nothing is predicted from an answer's last token
                node = self._step(node, token)
                self._heads.append(node)

    def _step(self, node: int, token: int) -> int:
        found = self._child.get((node, token))
        if found is not None:
            return found
        new = len(self._tokens)
        self._child[node, token] = new
        (self._children[node] if node != _ROOT else self._roots).append(new)
        self._children.append([])
        self._tokens.append(token)
        self._depths.append(self._depths[node] + 1 if node != _ROOT else 0)
        return new

    def row(self, units: Sequence[Unit], taken: Sequence[int]) -> Row:
        order = self._preorder()
        place = [0] * len(order)
        for index, node in enumerate(order):
            place[node] = index
        ends = [0] * len(order)
        for node in reversed(order):  # children before their parent
            last = self._children[node][-1] if self._children[node] else None
            ends[place[node]] = place[node] + 1 if last is None else ends[place[last]]
        heads = sorted({place[node] for node in self._heads})
        rank = {head: index for index, head in enumerate(heads)}
        answers = [answer for index in taken for answer in units[index].answers]
        return Row(
            units=tuple(taken),
            ids=torch.tensor([self._tokens[node] for node in order]),
            positions=torch.tensor([self._depths[node] for node in order]),
            ends=torch.tensor(ends),
            heads=torch.tensor(heads),
            head_of=torch.tensor([rank[place[node]] for node in self._heads]),
            targets=torch.tensor([token for answer in answers for token in answer]),
            lengths=tuple(map(len, answers)),
            telling=torch.tensor(
                [one for index in taken for answer in units[index].telling for one in answer]
            ),
            unit_lengths=tuple(units[index].answer_tokens for index in taken),
            restriction=_restriction([units[index] for index in taken]),
        )

    def _preorder(self) -> list[int]:
        order: list[int] = []
        stack = self._roots[::-1]
        while stack:
            node = stack.pop()
            order.append(node)
            stack.extend(reversed(self._children[node]))
        return order


def _restriction(units: Sequence[Unit]) -> Restriction | None:
    if not any(unit.allowed for unit in units):
        return None
    drawn_among = [
        (token, among)
        for unit in units
        for answer, allowed in zip(
            unit.answers, unit.allowed or [()] * len(unit.answers), strict=True
        )
        for token, among in zip(answer, allowed or [()] * len(answer), strict=True)
    ]
    tokens = [place for place, (_, among) in enumerate(drawn_among) if among]
    ids = sorted({one for _, among in drawn_among for one in among})
    place_of = {one: place for place, one in enumerate(ids)}
    allowed = torch.zeros(len(tokens), len(ids), dtype=torch.bool)
    for row, place in enumerate(tokens):
        allowed[row, [place_of[one] for one in drawn_among[place][1]]] = True
    return Restriction(
        tokens=torch.tensor(tokens),
        others=torch.tensor(
            [place for place, (_, among) in enumerate(drawn_among) if not among], dtype=torch.long
        ),
        ids=torch.tensor(ids),
        allowed=allowed,
        drawn=torch.tensor([place_of[drawn_among[place][0]] for place in tokens]),
    )
