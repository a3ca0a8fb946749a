"""Connect four on whole numbers, and the search that values a position. Pure.

A cell is bit `column * (rows + 1) + row`, row 0 at the bottom; the bit above each column stays 0,
so that a shift never carries a line into the next column (as in Pascal Pons' solver).
"""

from collections.abc import Sequence
from functools import cache

WON = 1000  # scores beyond this are wins or losses within the search


class Grid:
    """A board's size, with the masks that it needs."""

    def __init__(self, columns: int, rows: int) -> None:
        self.rows = rows
        self._stride = rows + 1
        self._bottom = sum(1 << column * self._stride for column in range(columns))
        self._full = self._bottom * ((1 << rows) - 1)
        # The middle columns first: they are in more lines.
        order = sorted(range(columns), key=lambda column: abs(2 * column - columns + 1))
        self._columns = [((1 << rows) - 1) << column * self._stride for column in order]
        self._diagonals = (rows, rows + 1, rows + 2)  # and sideways

    def boards(self, columns: Sequence[str], marks: str) -> tuple[int, int]:
        """The cells of each of two marks, from columns written bottom up."""
        boards = [0, 0]
        for number, column in enumerate(columns):
            for row, mark in enumerate(column):
                boards[marks.index(mark)] |= 1 << number * self._stride + row
        return boards[0], boards[1]

    def has_four(self, board: int) -> bool:
        for shift in (1, *self._diagonals):
            pairs = board & (board >> shift)
            if pairs & (pairs >> 2 * shift):
                return True
        return False

    def threats(self, board: int) -> int:
        """The cells that would complete four of the board's, taken ones among them."""
        found = (board << 1) & (board << 2) & (board << 3)
        for shift in self._diagonals:
            up, down = board << shift, board >> shift
            pairs = up & (up << shift)
            found |= pairs & ((up << 2 * shift) | down)
            pairs = down & (down >> shift)
            found |= pairs & ((down >> 2 * shift) | up)
        return found & self._full

    def search(
        self, own: int, other: int, depth: int, low: int = -2 * WON, high: int = 2 * WON
    ) -> int:
        """What the seat to move (`own`) can reach in `depth` moves, by alpha-beta.

        A win is at least WON, and more the sooner it comes; a loss is the negative of one. Any
        other score is the seat's free cells that would complete four, less the other's.
        """
        taken = own | other
        playable = (taken + self._bottom) & self._full
        if not playable:
            return 0
        mine = self.threats(own) & ~taken
        if mine & playable:
            return WON + depth + 1
        theirs = self.threats(other) & ~taken
        forced = theirs & playable
        # Below a cell that completes the other's four, a move hands it that cell.
        safe = (forced or playable) & ~(theirs >> 1)
        if not safe or forced & (forced - 1):  # the other wins next, with one of two cells, say
            return -WON - depth
        if depth <= 0:
            return mine.bit_count() - theirs.bit_count()
        for column in self._columns:
            move = safe & column
            if move:
                score = -self.search(other, own | move, depth - 1, -high, -low)
                if score >= high:
                    return score
                low = max(low, score)
        return low


@cache  # two sizes are played
def grid(columns: int, rows: int) -> Grid:
    return Grid(columns, rows)
