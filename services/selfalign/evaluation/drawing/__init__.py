"""Markup and SVG charts from plain numbers; nothing here knows of runs."""
