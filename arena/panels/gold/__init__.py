"""Gold: questions to judges whose right order is known, made, asked and acted upon."""
