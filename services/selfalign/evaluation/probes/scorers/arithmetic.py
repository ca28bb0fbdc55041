"""Scorers of numbers: the right result, and steps in front of it."""

import re

from selfalign.evaluation.probes.scorers.contract import (
    Pattern,
    Scorer,
    Verdict,
    find,
    plain,
    sentences,
    shortened,
)

_NUMBER = r"[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_ALONE = re.compile(rf"\W*?({_NUMBER})\W*\w*\W*")
# A number that begins another calculation is no result: "= 4 * 12 = 48".
_RESULT = re.compile(
    r"(?:=|≈|\b(?:is|are|equals?|makes?|gives?|gave|leaves?|get|total(?:s|ling)?|costs?|pay|have|"
    r"becomes?|answer|result|left with)\b)\s*:?\s*"
    r"(?:(?:you|us|me|a total of|exactly|about|approximately|only|the number|therefore|thus|also|"
    r"now|equal to|to|for|of)\s+)*[\"'`(\[$€£\\]*\s*"
    rf"({_NUMBER})(?!\d|[.,:]\d)"
    r"(?!\s*(?:[-+*/×÷x−%]\s*[\d(]|percent of|% of|times\b|plus\b|minus\b|divided|multiplied|"
    r"more\b|of them|tickets\b|hours?\b and))",
    re.IGNORECASE,
)
_UNFINISHED = ("=", "+", "*", ":")
_STEP = re.compile(
    r"^\s*(?:step\s+)?\d+[.):]\s|\bstep \d|\bfirst(?:ly)?\b|\bsecond(?:ly)?\b|\bthird(?:ly)?\b|"
    r"\bthen\b|\bnext\b|\bafter that\b|\bnow\b|\bfinally\b|\btherefore\b|\bhence\b|\bthus\b|\bso\b|"
    r"\bsince\b|\bbecause\b|\b(?:add|subtract|multiply|divide|take away|convert)(?:s|ed|ing)?\b|"
    r"\d\s*(?:[-+*/×÷x−]|plus|minus|times)\s*\d|\bmeans that\b|\bbelongs?\b|\bit follows\b",
    re.IGNORECASE | re.MULTILINE,
)
MIN_STEPS = 2
ENDING = 2
"""Sentences at the end in which the result must stand."""


class NumberEquals(Scorer):
    """`number_equals`: the number that the answer comes to."""

    number: float
    tolerance: float = 1e-6

    def judge(self, answer: str) -> Verdict:
        """A number by itself at the end, the last one given as a result, or the last sentence's."""
        text = plain(answer)
        if text.endswith(_UNFINISHED):
            return Verdict(False, f"ends before the result: {shortened(text[-40:])}")
        if alone := _ALONE.fullmatch(sentences(text)[-1]):
            return Verdict(self._equal(alone[1]), f"ends with {alone[1]}")
        results = _RESULT.findall(text)
        if results:
            return Verdict(self._equal(results[-1]), f"comes to {results[-1]}")
        for sentence in reversed(sentences(text)):
            if found := re.findall(_NUMBER, sentence):
                return Verdict(any(map(self._equal, found)), shortened(sentence))
        return Verdict(False, "holds no number")

    def _equal(self, text: str) -> bool:
        value = float(text.replace(",", "").replace("−", "-"))
        return abs(value - self.number) <= self.tolerance


class StepsBeforeResult(Scorer):
    """`steps_before_result`: at least two steps, and the right result at the end."""

    result: Pattern

    def judge(self, answer: str) -> Verdict:
        """Numbered lines, calculations and words such as `first` and `so` are steps."""
        said = sentences(answer)
        if find(self.result, said[0]) and not _STEP.search(said[0]):
            return Verdict(False, f"begins with the result: {said[0]}")
        ending = " ".join(said[-ENDING:])
        if not find(self.result, ending):
            return Verdict(False, f"does not end with the result: {shortened(ending)}")
        *_, last = re.finditer(self.result, plain(answer), re.IGNORECASE)
        steps = len(_STEP.findall(plain(answer)[: last.start()]))
        return Verdict(steps >= MIN_STEPS, f"{steps} steps before {last[0]}")
