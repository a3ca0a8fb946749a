"""Whether everybody can be paired with somebody they may meet. Pure.

A perfect matching, searched for by Edmonds' blossoms ("Paths, trees, and flowers", 1965).
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet


def are_pairable(members: Sequence[int], others: Mapping[int, AbstractSet[int]]) -> bool:
    """Whether the members split into pairs; `others` says whom each may meet, both ways."""
    if len(members) % 2:
        return False
    near = {each: [other for other in members if other in others[each]] for each in members}
    search = _Search(near)
    # Who cannot be reached from the pairs so far cannot be reached from better ones either.
    return all(each in search.mate or search.pairs_one_more(each) for each in members)


class _Search:
    def __init__(self, near: Mapping[int, Sequence[int]]) -> None:
        self._near = near
        self.mate: dict[int, int] = {}
        for each, others in near.items():
            free = next((other for other in others if other not in self.mate), None)
            if each not in self.mate and free is not None:
                self.mate[each], self.mate[free] = free, each

    def pairs_one_more(self, root: int) -> bool:
        """Give the root a mate, perhaps by exchanging others' mates along a path."""
        self._parent: dict[int, int] = {}
        self._base = {each: each for each in self._near}
        end = self._free_end(root)
        while end is not None:
            before = self._parent[end]
            following = self.mate.get(before)
            self.mate[end], self.mate[before] = before, end
            if before == root:
                return True
            end = following
        return False

    def _free_end(self, root: int) -> int | None:
        reached, queue = {root}, [root]
        for one in queue:
            for other in self._near[one]:
                if self._base[one] == self._base[other] or self.mate.get(one) == other:
                    continue
                if other == root or self.mate.get(other) in self._parent:
                    for each in self._shrunk(one, other):
                        if each not in reached:
                            reached.add(each)
                            queue.append(each)
                elif other not in self._parent:
                    self._parent[other] = one
                    if other not in self.mate:
                        return other
                    reached.add(self.mate[other])
                    queue.append(self.mate[other])
        return None

    def _shrunk(self, one: int, other: int) -> list[int]:
        """Make the odd cycle through both a single point; returns who is in it."""
        common = self._common_base(one, other)
        cycle: set[int] = set()
        for start, child in ((one, other), (other, one)):
            each, below = start, child
            while self._base[each] != common:
                cycle |= {self._base[each], self._base[self.mate[each]]}
                self._parent[each] = below
                below = self.mate[each]
                each = self._parent[below]
        inside = [each for each in self._near if self._base[each] in cycle]
        for each in inside:
            self._base[each] = common
        return inside

    def _common_base(self, one: int, other: int) -> int:
        seen = set()
        while True:
            one = self._base[one]
            seen.add(one)
            if one not in self.mate:
                break
            one = self._parent[self.mate[one]]
        while self._base[other] not in seen:
            other = self._parent[self.mate[self._base[other]]]
        return self._base[other]
