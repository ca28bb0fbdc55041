"""Completions for people to watch, through the client libraries that the engines' makers ship."""
