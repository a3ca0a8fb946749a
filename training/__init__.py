"""How agents learn: pairs and practice, training runs, trainers, and the gate."""
