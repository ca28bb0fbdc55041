"""Weights of models: where they lie, what tells them apart, how they come to this machine."""
