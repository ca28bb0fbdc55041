"""numba's njit, compiled once per machine where some cache folder can be written.

Importing this module imports numba (0.5 s): only call-time code of this package does it. numba's
cache knows the file of a kernel but not those of the kernels it calls: after an edit that changes
one module only, delete the package's __pycache__/*.nbi (tests/unit/dedup/conftest.py does).
"""

from collections.abc import Callable
from typing import TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., object])


def jit(function: Kernel) -> Kernel:
    """Compiles `function` on its first call; it runs without the GIL."""
    try:
        compiled = numba.njit(function, cache=True, nogil=True)
    except RuntimeError:
        # Read-only image without a home: numba finds no place for its cache.
        compiled = numba.njit(function, nogil=True)
    return cast("Kernel", compiled)
