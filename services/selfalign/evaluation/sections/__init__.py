"""The sections of report.html: each a function from a run to HTML."""
