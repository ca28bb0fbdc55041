"""The HTTP APIs that engines speak: a file for each, and the register of them all."""
