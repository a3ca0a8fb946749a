"""Whether a trained version may play: exams, decisions, drift, and the record of what was found."""
