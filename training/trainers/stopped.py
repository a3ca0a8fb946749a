"""The one way in which a training ends without an adapter and without a bug."""


class TrainingStopped(Exception):
    """Training cannot go on; `str(error)` is a sentence for the agent's owner."""
