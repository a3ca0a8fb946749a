"""The expected ways in which training ends without an adapter."""


class TrainingStopped(Exception):
    """Training cannot continue; `str(error)` is a sentence for the agent's owner."""


class DeviceMissing(Exception):
    """Nothing can be trained here now; another try may succeed. `str(error)` is for the owner."""
