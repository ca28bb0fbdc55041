"""Markup and SVG charts from numbers and their intervals; nothing here knows of runs."""
