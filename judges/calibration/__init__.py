"""How well a judge agrees with orders that are known, and what follows from it."""
