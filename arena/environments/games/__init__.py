"""Games of many turns, with rules of our own that textarena's confirm in tests.

Why: docs/decisions/own-game-rules.md
"""
