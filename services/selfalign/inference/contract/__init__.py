"""What an engine is to the rest: its contract, and what holds for the texts of every engine."""
