"""Short poems in a given form on a given topic."""
