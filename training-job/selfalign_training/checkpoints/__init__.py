"""Checkpoints: local folders, their copies in the store, and going on from them."""
