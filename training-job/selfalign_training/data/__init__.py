"""From accepted rows to a memory-mapped file of token sequences, and the trainer's rows of it."""
