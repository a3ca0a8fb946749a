"""Talks with versions of one's own: an answer at a time, streamed, and paid for by its tokens.

Here and not in training.practice, because nothing is learned from a talk, and the sweep of the arena
ends those whose process died.
"""
