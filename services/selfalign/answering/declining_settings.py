"""Settings of declining where a rule is due; shared by align and refine."""

from typing import Annotated, Literal

from pydantic import Field

from selfalign.settings.section import PositiveInt, Section, Share


class DecliningSettings(Section):
    """Where requests are declined, by the constitution's section `declining`."""

    enabled: bool = False
    """Whether the section is used: its requests and their look-alikes are answered beside the
    run's prompts (source `constitution`), and it is asked where a rule is due."""
    quantile: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    """A rule is due where its short answers are likelier than after this share of known ordinary
    requests (the look-alikes and the task seeds). Found once, when the service starts."""
    request_quantile: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """A prompt of source `request` that begins as a request of the constitution is declined where
    the rule's short answers are likelier than after this share of the rule's own requests, and
    rejected (`undecided`) elsewhere, whatever `detected` says."""
    look_alike_quantile: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.8
    """One that begins as a look-alike is answered where no rule's short answers are likelier than
    after this share of known ordinary requests, and `undecided` elsewhere."""
    detected: Literal["decline", "reject", "ignore"] = "decline"
    """What becomes of a prompt of the run for which a rule is due: it is declined, rejected
    (`due`), or not looked at."""
    opening_given: bool = True
    """Make declining answers of the constitution's short answers, those first that the request
    makes likelier most. Otherwise answers are sampled, and hardly ever decline."""
    continued: bool = False
    """Let the model go on after the short answer, as far as it does not turn round
    ("However, ..."). Otherwise the short answer stands alone."""
    answers_per_request: Annotated[PositiveInt, Field(le=16)] = 3
    """Answers to each of the constitution's requests. Few requests teach only if each has
    several."""
    answers_per_look_alike: Annotated[PositiveInt, Field(le=16)] = 1
    """The same for the look-alikes. As many as for the requests keep "How do I ...?" from being
    refused as such."""
    max_share: Share = 0.15
    """Largest share of the constitution's requests in all rows that the stage is to answer: answers
    beyond it are left out, and ordinary requests are refused less often."""
