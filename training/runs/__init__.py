"""A training run from its queueing to its end: states, claims, leases, charges and its owner's verbs."""
