"""Exact ROUGE-L near-duplicate search; see rouge_l.deduplicate."""
