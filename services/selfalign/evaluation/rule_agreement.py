"""The principles at work: what stage 2 cites, and whether that is more than parroting.

Citations. One counts where its number and its name are the same principle's: a number alone, or
under another name, is noise.

Probe. For a sample of accepted rows the base model is asked for how much likelier each rule becomes
by the row's prompt: the mean log-probability per token of the rule's text after the prompt, less
the same after an empty one (likelihood ratio). Where the engine gives no log-probabilities of a
prompt it is asked of every rule whether it bears on the row's prompt instead: logP(" yes") -
logP(" no"), which finds hardly more than chance on small models. Since a model leans towards some
rules whatever the prompt, a rule's mean score over the sample is subtracted. The probed rules of a
row that claims k rules are the k with the highest centred score (ties: the lower number first).

Agreement. `overlap`: share of the claimed rules that are probed rules, mean over rows; with rules
drawn at random it would be the mean of k / number of rules (`chance_overlap`). `ranking`: the
probability that a claimed rule of a row has a higher centred score than an unclaimed one, ties
counting half (AUC); 0.5 is chance, 1 perfect agreement.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from selfalign.constitution.parse import cited_rules
from selfalign.constitution.schema import Constitution
from selfalign.evaluation.evaluation_inputs import EvaluationInputs
from selfalign.evaluation.figures import (
    Agreement,
    Citations,
    PrincipleAgreement,
    PrincipleCitations,
    TypeCitations,
)
from selfalign.evaluation.results import RuleProbe
from selfalign.evaluation.statistics import wilson
from selfalign.storage.rows import Row


def agreeing_rules(c: Constitution, row: Row) -> tuple[int, ...]:
    """The rules that the row's thoughts cite by number and name, each once."""
    cited = cited_rules(c, row.thoughts)
    return tuple(dict.fromkeys(rule.id for rule in cited if rule.agrees and rule.name))


def citations(inputs: EvaluationInputs) -> Citations:
    """Rule citations of the accepted stage-2 rows."""
    c = inputs.constitution
    cited: Counter[int] = Counter()
    misnamed: Counter[int] = Counter()
    types: Counter[str] = Counter()
    by_type: dict[str, Counter[int]] = defaultdict(Counter)
    unknown = without = 0
    for row in inputs.aligned:
        rules = agreeing_rules(c, row)
        without += not rules
        cited.update(rules)
        types[row.question_type] += 1
        by_type[row.question_type].update(rules)
        for rule in cited_rules(c, row.thoughts):
            unknown += not rule.known
            misnamed[rule.id] += rule.known and not (rule.agrees and rule.name)
    rows = len(inputs.aligned)
    return Citations(
        rows=rows,
        without_rules=without,
        unknown=unknown,
        mean_rules=cited.total() / rows if rows else 0.0,
        principles=tuple(
            PrincipleCitations(
                rule=principle.id,
                name=principle.name,
                rows=cited[principle.id],
                share=wilson(cited[principle.id], rows, inputs.settings.confidence)
                if rows
                else None,
                misnamed=misnamed[principle.id],
            )
            for principle in c.principles
        ),
        types={
            name: TypeCitations(rows=count, rules=dict(sorted(by_type[name].items())))
            for name, count in types.most_common()
        },
    )


def agreement(inputs: EvaluationInputs, probes: Iterable[RuleProbe]) -> Agreement | None:
    """Claimed against probed rules; None if nothing was probed."""
    probes = list(probes)
    good = [probe for probe in probes if not probe.reason]
    if not probes:
        return None
    rules = [principle.id for principle in inputs.constitution.principles]
    # One (claimed, probed) pair of equally large sets for each row: overlap needs no other
    # normalisation, and precision and recall are the same.
    centred = centre([probe.scores for probe in good])
    pairs = [
        (set(probe.claimed), top_rules(odds, len(probe.claimed)))
        for probe, odds in zip(good, centred, strict=True)
    ]
    overlaps = [len(claimed & probed) / len(claimed) for claimed, probed in pairs]
    rankings = [ranking(odds, claimed) for odds, (claimed, _) in zip(centred, pairs, strict=True)]
    chance = [len(claimed) / len(rules) for claimed, _ in pairs]
    return Agreement(
        method=probes[0].method,
        rows=len(good),
        failed=len(probes) - len(good),
        missing=sum(probe.missing for probe in good),
        overlap=inputs.bootstrap.mean(overlaps),
        chance_overlap=sum(chance) / len(chance) if chance else 0.0,
        ranking=inputs.bootstrap.mean(rankings),
        principles=tuple(
            PrincipleAgreement(
                rule=rule,
                claimed=sum(rule in claimed for claimed, _ in pairs),
                probed=sum(rule in probed for _, probed in pairs),
                both=sum(rule in claimed & probed for claimed, probed in pairs),
            )
            for rule in rules
        ),
    )


def centre(scores: Sequence[dict[int, float]]) -> list[dict[int, float]]:
    """Each row's scores less the rule's mean over the rows.

    Args:
        scores: A mapping for each row, rule number -> score; all with the same rules.
    """
    if not scores:
        return []
    means = {rule: sum(row[rule] for row in scores) / len(scores) for rule in scores[0]}
    return [{rule: value - means[rule] for rule, value in row.items()} for row in scores]


def top_rules(scores: dict[int, float], count: int) -> set[int]:
    """The `count` rules with the highest scores, the lower number first where they are equal."""
    return set(sorted(scores, key=lambda rule: (-scores[rule], rule))[:count])


def ranking(scores: dict[int, float], claimed: set[int]) -> float:
    """Probability that a claimed rule's score exceeds an unclaimed one's; ties count half.

    The area under the ROC curve, by counting pairs: there are only some dozens of them.
    """
    inside = [value for rule, value in scores.items() if rule in claimed]
    outside = [value for rule, value in scores.items() if rule not in claimed]
    wins = sum((x > y) + 0.5 * (x == y) for x in inside for y in outside)
    return wins / (len(inside) * len(outside))
