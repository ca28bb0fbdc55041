"""Probes of the principles: prompts whose answers can be scored without a judge."""
