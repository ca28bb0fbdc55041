"""CPU model server that speaks TGI's HTTP API: one LLaMA model, many requests per step."""
