"""Evaluation: base, engraved and final model side by side, and the run's report and card."""
