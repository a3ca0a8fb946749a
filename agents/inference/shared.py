"""One client of the inference servers for each event loop, for edges that answer many people."""

import asyncio
from weakref import WeakKeyDictionary

from agents.inference.client import Inference
from agents.inference.table import ServerTable

_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[ServerTable, Inference]] = (
    WeakKeyDictionary()
)


def shared_inference(servers: ServerTable) -> Inference:
    """The running loop's client of these servers, which knows the least busy of them.

    It is never closed. Once there are other servers, a new one takes its place, and who uses the old
    one goes on with it.
    """
    loop = asyncio.get_running_loop()
    known = _of_loops.get(loop)
    if known is None or known[0] != servers:
        known = _of_loops[loop] = (servers, Inference(servers))
    return known[1]
