"""The run's report and card: what they show of a run, and a file for each section of the page."""
