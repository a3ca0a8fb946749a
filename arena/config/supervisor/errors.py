"""What the local installation may refuse or fail with."""


class LocalError(Exception):
    """A refusal or failure, as a sentence for the person at the keyboard."""
