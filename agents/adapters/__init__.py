"""LoRA weights on disk: stored by their digest, and checked before a server may load them."""
