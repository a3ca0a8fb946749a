"""Does competition make agents better? The benchmark, its exam and its table."""
