"""The certificates with which the clients of this package check servers."""

import ssl
from functools import cache


@cache
def certificates() -> ssl.SSLContext:
    """Reading the system's certificates takes 20 ms: once is enough."""
    return ssl.create_default_context()
