"""The error of the local installation."""


class LocalError(Exception):
    """A refusal or failure, as a sentence for the person at the keyboard."""
