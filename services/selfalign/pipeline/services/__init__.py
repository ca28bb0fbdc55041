"""The gRPC services of a run: which there are, what they read of its settings, how they start."""
