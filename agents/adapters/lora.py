"""Limits on adapters: trainers keep to them, the store checks them, vLLM is started with them."""

# Small adapters pay for the largest one allowed. Why: docs/decisions/lora-shape.md
MAX_LORA_RANK = 16
# A run continues its parent's adapter with the same alpha, which its settings must allow.
MAX_ALPHA = 256

# Never lm_head: with it, a request that the poem judge makes kills vLLM's CPU engine (same page).
LORA_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
