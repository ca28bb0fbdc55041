"""What each stage takes in, how it is cut into units, and how it closes."""
