"""Which stages a run has, as its report needs to know them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportStages:
    """Names of stages: folders of the run in the store, and what the report calls them."""

    names: tuple[str, ...]
    """All stages in the order of the run, the evaluation included."""
    tables: tuple[str, ...]
    """Those that leave rows."""
    trainings: tuple[str, ...]
    """Those that leave weights and a log of their loss."""
    aligned: str
    """Whose rows are answers under the constitution, with the rules that they cite."""
    refined: str
    """Whose rows are the engraved model's answers under the verbose prompt."""
    evaluation: str
    """Where the evaluation's own results lie."""
