"""From accepted rows to a memory-mapped file of token sequences, and the trainer's rows of it.

`dataset` is where to begin: `accepted_rows` and `extra` are read, `layout` makes texts of them,
`encode` tokens, `token_cache` one file for the node, and `sequence_table` the rows of a batch.
"""
