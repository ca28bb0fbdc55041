"""Scripts and languages of texts, told only where they are clear."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfalign.filters.language import language, other_language, script

SENTENCES = {
    "English": "This is what you should do if the boat has been out of the water for a month.",
    "German": "Wer mit dem Boot auf den See will, kann es sich bei uns leihen und abends bringen.",
    "French": "Pour aller sur le lac avec le bateau, il faut une carte que vous trouvez au port.",
    "Spanish": "Para salir al lago con el barco se necesita un permiso que está en la oficina.",
    "Portuguese": "Para sair com o barco você precisa de um papel que não se compra, mas se pede.",
    "Italian": "Per andare sul lago con la barca è necessario un permesso che si chiede al porto.",
    "Dutch": "Als je met de boot het meer op wilt, dan is er een vergunning nodig die je haalt.",
    "": "Boat, oar, rope, 12 nails.",
}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), SENTENCES.items())
def test_languages(name: str, text: str) -> None:
    assert language(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "Tell me a joke about a baker.",
        "Write a short program that counts words in a file.",
        "Do as I do: take a map, a lamp and no coat.",
        "I'm a man, I'm a woman, I'm a cook and a baker.",
    ],
)
def test_plain_english_with_words_of_others(text: str) -> None:
    assert language(text) == "English"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Boat", "LATIN"), ("лодка", "CYRILLIC"), ("βάρκα", "GREEK"), ("船でみずうみへ", "CJK"),
        ("قارب", "ARABIC"), ("ab лд", ""), ("12 + 3", ""),
    ],
)  # fmt: skip
def test_scripts(text: str, name: str) -> None:
    assert script(text) == name


@pytest.mark.parametrize("asked", [text for name, text in SENTENCES.items() if name])
@pytest.mark.parametrize("written", [text for name, text in SENTENCES.items() if name])
def test_every_pair_is_told(asked: str, written: str) -> None:
    assert (other_language(written, asked) is not None) == (asked != written)


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_is_in_another_language_than_itself(text: str, more: str) -> None:
    assert other_language(text, text) is None
    other_language(text, more)
