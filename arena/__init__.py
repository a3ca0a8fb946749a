"""Matches and what surrounds them: Spaces, credits, environments, judging and the live stream."""
