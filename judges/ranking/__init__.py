"""How votes of several judges become one order, and how far the judges agree. Pure."""
