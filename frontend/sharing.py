"""What many people ask for at the same moment, made once and kept for a while."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

V = TypeVar("V")

ENTRY_BYTES = 2_000  # of bookkeeping; bounds the number of entries, too


class _Entry(Generic[V]):
    def __init__(self) -> None:
        self.making = threading.Lock()
        self.value: V | None = None
        self.made_at = 0.0
        self.size = ENTRY_BYTES


class Shared(Generic[V]):
    """Values of this process by key: the first thread that asks makes one, the others wait for it.

    Those asked for longest ago go first once all together exceed `max_bytes`.
    """

    def __init__(self, *, max_bytes: int, keep_seconds: float, size_of: Callable[[V], int]) -> None:
        self._max_bytes = max_bytes
        self._keep_seconds = keep_seconds
        self._size_of = size_of
        self._entries: OrderedDict[Hashable, _Entry[V]] = OrderedDict()
        self._lock = threading.Lock()
        self.total_bytes = 0

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value; what `make` raises goes to its caller only, and the next one tries again."""
        entry = self._entry(key)
        with entry.making:
            if entry.value is None or time.monotonic() - entry.made_at > self._keep_seconds:
                entry.value = make()
                entry.made_at = time.monotonic()
                self._weigh(key, entry)
            return entry.value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self.total_bytes = 0

    def _entry(self, key: Hashable) -> _Entry[V]:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                entry = self._entries[key] = _Entry()
                self.total_bytes += entry.size
            self._entries.move_to_end(key)
            self._shrink()
            return entry

    def _weigh(self, key: Hashable, entry: _Entry[V]) -> None:
        assert entry.value is not None
        size = ENTRY_BYTES + self._size_of(entry.value)
        with self._lock:
            if self._entries.get(key) is entry:  # else it has gone already
                self.total_bytes += size - entry.size
                entry.size = size
                self._shrink()

    def _shrink(self) -> None:
        while self.total_bytes > self._max_bytes and self._entries:
            _, oldest = self._entries.popitem(last=False)
            self.total_bytes -= oldest.size
