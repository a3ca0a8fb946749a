"""Rules of agents, their prompts and the conversion of the base model."""
