"""Stage 1: topic-guided red-teaming self-instruct (paper section 3.1)."""
