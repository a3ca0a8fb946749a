"""Rules of the simulation of farming."""
