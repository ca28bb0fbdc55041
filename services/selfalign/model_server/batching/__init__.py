"""Continuous batching: which rows the model computes next, and what becomes of its logits."""
