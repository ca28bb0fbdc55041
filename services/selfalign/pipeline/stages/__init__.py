"""The stages of a run: one file each, one record in it; register.py puts them in order.

To add a stage, write its file after the one that is most like it and name it in the register. A
stage is of one of the kinds in kinds/, or has a `make` of its own, as evaluate.py.
"""
