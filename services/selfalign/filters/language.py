"""Whether an answer is in another language than its prompt: by script, then by function words.

No library: the exact ones are models of many megabytes, and a filter needs no verdict on most
texts, only a sure one on clear cases. Where the words do not tell clearly the answer passes.
"""

import re
import unicodedata
from collections import Counter

from selfalign.filters.rejection import Rejection
from selfalign.filters.repeats import without_code
from selfalign.filters.words import words

MIN_LETTERS = 20
"""Of an answer; shorter ones may be a name or a loan word."""
# Words that are as common in English, such as the Portuguese `do`, stand for English alone.
_FUNCTION_WORDS = {
    name: frozenset(text.split())
    for name, text in {
        "English": (
            "the and of to is are was that with for this which you your it not from have has "
            "be can as what how do does if they their would should i we he she on at by an "
            "or a me my i'm it's about there will more than then but so no us his her them "
            "these when who where why don't"
        ),
        "German": (
            "der die das und ist sind war nicht mit für auf ein eine einen sich auch wie von "
            "zu dem den des im ich sie wir werden wird kann oder aber als bei nach"
        ),
        "French": (
            "le la les et est sont des une un du dans pour que qui pas sur avec ce cette il "
            "elle nous vous par au aux être plus ou mais je"
        ),
        "Spanish": (
            "el la los las y es son de que en un una por para con se del al lo como más pero "
            "su sus está este esta yo muy porque cuando también fue"
        ),
        "Portuguese": (
            "os e é são de que em um uma por para com não se da dos das na como mais mas seu "
            "sua você ou eu muito ao à pelo pela isso esta este tem ele ela foi também "
            "porque quando"
        ),
        "Italian": (
            "il lo la gli le e è sono di che in un una per con non si del della dei al più "
            "ma suo sua questo questa io nel sul sulla nella alla dal dalla ho hai ha anche "
            "se cosa perché quando"
        ),
        "Dutch": (
            "de het en zijn van een dat die niet met voor op te ook hij zij wij wordt kan "
            "maar als bij naar aan er geen wat wel deze hebben heeft"
        ),
    }.items()
}
_ADDRESS = re.compile(r"\S*(?:://|[\w-]/[\w-])\S*")
_NAMED = re.compile(
    r"\b(?:translat\w*|languages?|übersetz\w*|tradu\w+|idiomas?|langues?|sprachen?|pronounce\w*|"
    r"english|german|french|spanish|portuguese|italian|dutch|latin|greek|russian|ukrainian|polish|"
    r"czech|turkish|arabic|hebrew|hindi|bengali|urdu|persian|chinese|mandarin|japanese|korean|"
    r"vietnamese|thai|swedish|norwegian|danish|finnish|hungarian|romanian|swahili|esperanto)\b"
)
# Prompts are short, and a language that is taken for its sibling does no harm as long as the answer
# is in it; an answer is rejected on more.
_PROMPT_HITS, _CLEARLY = 2, 1.3
_MIN_HITS, _CLEARLY_OTHER = 4, 2.0


def other_language(answer: str, prompt: str) -> Rejection | None:
    """`other_language`: the answer's script or language is clearly another than the prompt's.

    Prompts that name a language or ask for a translation may be answered in any; an answer that
    uses a word of another script stays, since the script of most letters counts.
    """
    if sum(map(str.isalpha, answer)) < MIN_LETTERS or _NAMED.search(prompt.lower()):
        return None
    asked, written = script(prompt), script(answer)
    if asked and written and asked != written:
        return Rejection("other_language", f"asked in {asked} letters, answered in {written}")
    spoken = language(prompt)
    hits = _hits(answer)
    heard, most = hits.most_common(1)[0]
    if spoken and most >= _MIN_HITS and most >= _CLEARLY_OTHER * hits[spoken]:
        return Rejection("other_language", f"asked in {spoken}, answered in {heard}: {answer[:80]}")
    return None


def script(text: str) -> str:
    """The script of more than half of the letters, as Unicode names it; empty if there is none.

    Kana and Han are one, since Japanese is written in both."""
    counts = Counter(_letter_script(char) for char in text if char.isalpha())
    if not counts:
        return ""
    name, most = counts.most_common(1)[0]
    return name if 2 * most > counts.total() else ""


def language(text: str) -> str:
    """The language whose function words clearly prevail; empty where none does."""
    (name, most), (_, second) = _hits(text).most_common(2)
    return name if most >= _PROMPT_HITS and most >= _CLEARLY * second else ""


def _hits(text: str) -> Counter[str]:
    """How many of the words are function words of each language."""
    said = Counter(words(_ADDRESS.sub(" ", without_code(text))))
    return Counter(
        {
            name: sum(count for word, count in said.items() if word in known)
            for name, known in _FUNCTION_WORDS.items()
        }
    )


def _letter_script(char: str) -> str:
    name = unicodedata.name(char, "").split(" ")[0]
    return "CJK" if name in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else name
