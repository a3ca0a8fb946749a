"""Expected refusals; each carries one sentence that is shown to the user unchanged."""


class Refused(Exception):
    """The request was understood and declined; `str(error)` says why and what to do."""


class NotNow(Refused):
    """What is in the way may pass by itself."""


class InvalidName(Refused):
    """The name is taken or cannot be used; forms say so at the field."""


class PromptTooLong(Refused):
    """The prompt leaves the model no room to answer; forms say so at the field."""


class NotAvailable(Refused):
    """The row does not exist for this user. Views answer 404, so that nothing leaks."""
