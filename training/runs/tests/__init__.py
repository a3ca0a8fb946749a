"""Rules of training runs: states, turns, leases and prices."""
