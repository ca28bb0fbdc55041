"""Hypothesis without its own clock: the machine may be busy; pytest-timeout ends what hangs."""

from hypothesis import settings

settings.register_profile("selfalign", deadline=None)
settings.load_profile("selfalign")
