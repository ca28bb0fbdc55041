"""The model: its files, its forward pass over ragged and shared-prefix batches, its KV cache."""
