"""Prompts that a user brings: JSON lines, Parquet, or a Hugging Face data set saved on disk."""
