"""Scorers of probes: what an answer must have, read from its text alone, without a judge."""
