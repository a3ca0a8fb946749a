"""The one expected way in which training ends without an adapter."""


class TrainingStopped(Exception):
    """Training cannot continue; `str(error)` is a sentence for the agent's owner."""
