"""Our constitution under the names and headers that the published filters look for."""

import yaml

from selfalign.constitution.schema import Constitution

OPENING = "I am a helpful, ethical, and reliable assistant."


def with_published_wording(c: Constitution) -> Constitution:
    """The texts stay ours; names, headers and the opening are those that the authors' filters,
    which know no other, match."""
    text = yaml.safe_dump(c.model_dump(mode="json"), allow_unicode=True)
    renamed = yaml.safe_load(text.replace(c.name, "Watson"))
    renamed["wording"] |= {"opening": OPENING, "clear_context": "Good job! Clear context"}
    student = text.replace(c.name, "Dromedary")
    renamed["student"] = yaml.safe_load(student)["student"]
    return Constitution.model_validate(renamed)
