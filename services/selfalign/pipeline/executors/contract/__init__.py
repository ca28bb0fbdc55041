"""What every executor promises, and what they share."""
