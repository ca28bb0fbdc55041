"""Stage 2: principle-driven self-alignment (paper, section 3.2)."""
