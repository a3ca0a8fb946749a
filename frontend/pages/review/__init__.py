"""Pages on what becomes of verdicts: appeals, and the audience's blind votes."""
