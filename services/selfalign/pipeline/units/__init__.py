"""Units of work: what one part of a stage's table is made from, and whose turn it is."""
