"""How the site is doing, for operators: figures, the metrics made of them, and what is wrong in words."""
