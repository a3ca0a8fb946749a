"""Panels: which judges vote, what they may call, and their votes and verdict on one task. Without matches."""
