"""The one HTTP engine: admission, retries, counts, and the dialect that its settings name."""
