"""Answers drawn for a run before it learns: practice on played tasks, and what is rehearsed."""
