"""A node's exit code is that of the rank that knows why; which codes are worth a retry."""

import pytest

from selfalign import errors
from selfalign_training.launch.exit_codes import (
    NOT_RETRYABLE,
    TERMINATED,
    failure_code,
    peer_lost,
)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([64], 64),
        ([-9], 137),
        ([70], 70),
        ([70, -9], 137),
        ([-9, 70], 137),
        ([-15, 64], 64),
        ([70, 65, -6], 65),
        ([74, 66], 66),
        ([143, 70], 143),
        ([143, 64], 64),
    ],
)
def test_exit_code(codes: list[int], expected: int) -> None:
    assert failure_code(codes) == expected


def test_only_wrong_input_is_not_worth_a_retry() -> None:
    final = {errors.ConfigError, errors.DataError, errors.ModelError}
    retried = {
        errors.RendezvousFailed,
        errors.PortInUse,
        errors.StoreError,
        errors.StoreNotWritable,
        errors.StageError,
    }
    assert {kind.exit_code for kind in final} | {2} == set(NOT_RETRYABLE)
    assert not {kind.exit_code for kind in retried} & set(NOT_RETRYABLE)
    assert TERMINATED == 143


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[gloo/transport/tcp/pair.cc:547] Connection closed by peer"), True),
        (RuntimeError("[../third_party/gloo/...] Timed out waiting 10000ms for recv"), True),
        (RuntimeError("NCCL error in: ProcessGroupNCCL.cpp: remote process exited"), True),
        (RuntimeError("Error(s) in loading state_dict"), False),
        (OSError("no file named model.safetensors in /models/gloom"), False),
    ],
)
def test_a_lost_peer_is_no_fault_of_the_input(error: Exception, lost: bool) -> None:
    assert peer_lost(error) == lost
