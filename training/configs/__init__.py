"""The training choices of an agent's owner, with their bounds and explanations."""
