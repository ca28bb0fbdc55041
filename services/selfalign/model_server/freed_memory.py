"""Memory that a step frees stays with the process, for the next step."""

import ctypes

# Parameters of mallopt(3), glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_NEVER = 2**31 - 1
"""More bytes than any threshold is compared with in practice; the largest value that fits."""


def keep_freed_memory() -> bool:
    """Tells the C library to give nothing back to the system; call it before torch is imported.

    By default glibc maps large blocks and unmaps them when they are freed. A step of a small model
    allocates the same hundred megabytes again and again (logits and probabilities of all rows), and
    the system clears each page anew: a seventh of a step's time. One arena for all threads, for
    only the first one may grow without a limit.

    Returns:
        Whether the C library took it; others than glibc have no such settings.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((_ARENA_MAX, 1), (_MMAP_THRESHOLD, _NEVER), (_TRIM_THRESHOLD, _NEVER))
    taken = [mallopt(name, value) == 1 for name, value in settings]
    return all(taken)
