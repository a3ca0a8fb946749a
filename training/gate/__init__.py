"""Whether a trained version may play: exams, decisions, drift, and the record of the results."""
