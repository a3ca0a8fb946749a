"""One client of the inference servers for each event loop, for edges that answer many people."""

import asyncio
from weakref import WeakKeyDictionary

from agents.inference.client import Inference

_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Inference] = WeakKeyDictionary()


def shared_inference() -> Inference:
    """The running loop's client, which is never closed: it knows which server is the least busy."""
    loop = asyncio.get_running_loop()
    if loop not in _of_loops:
        _of_loops[loop] = Inference()
    return _of_loops[loop]
