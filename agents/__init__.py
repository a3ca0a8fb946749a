"""Who competes: users, agents, their versions and adapters, and the servers that answer for them."""
