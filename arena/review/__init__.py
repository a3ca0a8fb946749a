"""What happens to verdicts after their match: appeals by owners, and an audience's blind votes."""
