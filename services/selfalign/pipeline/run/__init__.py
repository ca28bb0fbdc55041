"""A run: its configuration, the file that it comes from, and its place in the store."""
