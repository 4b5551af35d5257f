"""Laws of questions in words: a sentence reads back as its question, and no word is lost in silence."""

import re
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from laws import examples
from strategies.questions import NAMES, questions
from tinycdp.products.analytics.questions.schemas import Question
from tinycdp.products.analytics.words.asking import ask
from tinycdp.products.analytics.words.names import Lexicon
from tinycdp.products.analytics.words.pieces import FILLERS
from tinycdp.products.analytics.words.sentence import in_words

TODAY = date(2026, 11, 28)
SHOP = Lexicon(
    events={
        "purchase": {"amount": (), "country": ("de", "at"), "plan": ("pro",)},
        "page_view": {"path": ("/pricing", "/")},
        "Order Completed": {"total": ()},
        "last month": {},
        "by": {},
    },
    profile={"plan": ("pro", "free"), "country": ("de",)},
    segments=frozenset({"vip"}),
    flags=frozenset({"price_test"}),
)
_WORDS = st.sampled_from(
    """
    signups purchases by per country last month where over 20 3 for vip users average median amount top from to until
    2026-03-01 March not within 7 days and or experiment price_test funnel retention xyzzy at least times the compared
    monday friday last but did never non excluding without people didn't
    ( ) " purchse pro weekly active ü
    """.split()  # noqa: SIM905
)


@examples(40, deep=1_000)
@given(questions())
def test_a_sentence_reads_back_as_its_question(question: Question) -> None:
    for names in (SHOP, Lexicon()):
        found = ask(in_words(question), names, TODAY)
        assert found.question == question, in_words(question)
        assert (found.ignored, found.assumed) == ((), ())


@given(st.lists(_WORDS, max_size=12).map(" ".join))
def test_every_word_is_understood_or_reported(text: str) -> None:
    found = ask(text, SHOP, TODAY)
    assert (found.question is None) == bool(found.missing)
    spans = [*found.understood, *found.ignored]
    for word in re.finditer(r"\w+", text):
        covered = any(one.start <= word.start() and word.end() <= one.end for one in spans)
        assert covered or word[0].lower() in FILLERS, word[0]
    for one in found.alternatives:
        assert one != found.question


@given(st.text(max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    ask(text, SHOP, TODAY)


def test_the_names_of_the_law_are_awkward() -> None:
    assert any(name in FILLERS or not name.isidentifier() for name in NAMES)
