"""What a step frees stays with the process."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from pathlib import Path
from selfalign.model_server.freed_memory import keep_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

if sys.argv[1] == "kept" and not keep_freed_memory():
    print("other")
    sys.exit()
before = resident()
for size in (40, 200):
    block = b"x" * (size << 20)
    del block
print("kept" if resident() - before > (150 << 20) else "returned")
"""


@pytest.mark.parametrize("expected", ["kept", "returned"])
def test_large_blocks_are_given_back_only_by_default(expected: str) -> None:
    command = [sys.executable, "-c", SCRIPT, expected]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    if found == "other":
        pytest.skip("another C library than glibc")
    assert found == expected
