"""Answers sampled for a run before it learns: practice on played tasks, and rehearsal texts."""
