"""LLaMA 1, 2 and 3, and what was made in their image: Vicuna, Alpaca, TinyLlama, SmolLM2."""

from selfalign.model_server.families.base import Family

LLAMA = Family(name="LLaMA", architecture="LlamaForCausalLM", model_type="llama")
