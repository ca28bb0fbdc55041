"""What stages are made of: the contract of a stage, and the kinds that share their work."""
