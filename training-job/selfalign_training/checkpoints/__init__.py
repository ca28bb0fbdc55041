"""Checkpoints: local folders, their copies in the store, and going on from them.

`manager` is where to begin: at the start of a job it has `restore` bring the newest whole
checkpoint of the `catalogue`, converted by `universal` for another number of ranks; after each one
that is written it has `upload` send this node's files (`ownership`) to the store while training
goes on.
"""
