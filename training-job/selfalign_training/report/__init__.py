"""What a job says of itself: events on stdout, records of its steps, metrics, the training card."""
