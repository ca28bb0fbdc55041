"""The chart's values, each changed once and rendered."""

import pytest

from support.helm_variants import Variant, rendered_variants


@pytest.fixture(scope="session")
def variants(tmp_path_factory: pytest.TempPathFactory) -> list[Variant]:
    """One run of Helm for all."""
    return rendered_variants(tmp_path_factory.mktemp("variants"))
