"""A training run from queue to end: states, claims, leases, charges and the owner's verbs."""
