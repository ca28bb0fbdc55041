"""Model families: one file each, saying what differs from the others; `register.py` lists them."""
