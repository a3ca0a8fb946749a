"""How an entry becomes a lineup: entering, matchmaking, ratings."""
