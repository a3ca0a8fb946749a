"""Which addresses a request on somebody's behalf may go to. Pure."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# Inside, though Python calls them global: Azure's metadata and DNS, and what protocols reserve,
# where Oracle's metadata are.
_INSIDE = (IPv4Network("168.63.129.16/32"), IPv4Network("192.0.0.0/24"))
# Addresses of IPv6 behind which a translator reaches one of IPv4: its last 32 bits.
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))
_TRANSLATED_INSIDE = IPv6Network("64:ff9b:1::/48")


def is_public(address: str) -> bool:
    """Whether this numeric address is somewhere on the internet, and neither here nor next door."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if found.sixtofour is not None or found.teredo is not None or found in _TRANSLATED_INSIDE:
            return False  # a tunnel says nothing of where it ends
        inner = found.ipv4_mapped
        if any(found in network for network in _TRANSLATED):
            inner = IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    is_inside = any(found in network for network in _INSIDE)
    return found.is_global and not found.is_multicast and not is_inside
