"""The frozen base, its attention, the LoRA weights on it, and how examples are packed into rows."""
