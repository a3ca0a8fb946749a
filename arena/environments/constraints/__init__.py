"""Tasks with rules that code can check: kinds, rules, checks and a solver."""
