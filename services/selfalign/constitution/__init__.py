"""Constitutions: principles, exemplars and wording; rendering, parsing, linting, importing."""
