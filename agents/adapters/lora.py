"""What adapters may be: the trainers make them so, the store checks it, vLLM is started for it."""

# vLLM pads every adapter to its --max-lora-rank and multiplies the padding, too: small ones pay for
# the largest that is allowed.
MAX_LORA_RANK = 16

# Never lm_head: with it, vLLM's CPU engine dies of a request for prompt logprobs, which the poem
# judge makes (0.32: einsum over the whole prompt in add_lora_logits).
LORA_MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
