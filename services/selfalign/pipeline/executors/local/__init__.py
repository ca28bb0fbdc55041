"""The local executor: everything of a run as processes of one machine."""
