"""Pages on which one talks to versions of agents."""
