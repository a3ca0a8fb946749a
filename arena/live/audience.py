"""How many may watch from one web process, and how many of them from one network."""

import contextlib
import ipaddress
from collections import Counter
from collections.abc import Iterator

MAX_SPECTATORS = 5_000  # sockets of one web process
MAX_OF_NETWORK = 250  # of them from one network: enough for a school, too few to shut others out
# Of one process. A large audience gets its lines more rarely, and more of them at once.
SENDS_PER_SECOND = 4_000
LOCAL = "127.0.0.1"
IPV6_PREFIX_BITS = 64  # what one household or one server gets: its addresses cost it nothing


def network_of(address: str) -> str:
    """What one person may have many addresses of: an IPv4 address, or the /64 of an IPv6 address.

    LOCAL for this machine; what is no address stands for itself.
    """
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    if parsed.is_loopback:
        return LOCAL
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    return str(ipaddress.IPv6Network((int(parsed), IPV6_PREFIX_BITS), strict=False))


class Audience:
    """The spectators of this process."""

    def __init__(self) -> None:
        self.size = 0
        self._of_network: Counter[str] = Counter()

    @property
    def turn_seconds(self) -> float:
        """How long it takes to send each spectator something."""
        return self.size / SENDS_PER_SECOND

    def has_place(self, address: str) -> bool:
        """Whether one more may watch from there."""
        network = network_of(address)
        # No limit for this machine's own user, or for a local proxy that does not pass addresses on.
        if network != LOCAL and self._of_network[network] >= MAX_OF_NETWORK:
            return False
        return self.size < MAX_SPECTATORS

    @contextlib.contextmanager
    def seat(self, address: str) -> Iterator[None]:
        """Count one spectator for as long as the block runs."""
        network = network_of(address)
        self.size += 1
        self._of_network[network] += 1
        try:
            yield
        finally:
            self.size -= 1
            self._of_network[network] -= 1
            if not self._of_network[network]:
                del self._of_network[network]
