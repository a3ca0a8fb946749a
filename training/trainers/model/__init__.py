"""The frozen base, its attention, LoRA weights, and packing examples into rows."""
