"""What adapters may be: the trainers make them so, the store checks it, vLLM is started for it."""

# Small adapters pay for the largest that is allowed. Why: docs/decisions/lora-shape.md
MAX_LORA_RANK = 16

# Never lm_head: vLLM's CPU engine would die of a request that the poem judge makes (same page).
LORA_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
