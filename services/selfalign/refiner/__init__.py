"""Stage 4: fuller answers by the engraved model under the verbose prompt (paper, section 3.4)."""
