"""Whether a trained version may play: exams, decisions, drift, and the words for them."""
