"""How agents get from an entry to a lineup: entering, matchmaking, ratings."""
