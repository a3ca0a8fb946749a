"""The client and its command line, against the real site over HTTP."""
