"""A question that cannot be read says what belongs there, by its kind."""

from typing import Any

import msgspec
import pytest

from tinycdp.dsl.fields import in_words
from tinycdp.products.analytics.questions.schemas import Question


@pytest.mark.parametrize(
    ("document", "path", "says"),
    [
        ({"kind": "trendy"}, "$.kind", "Did you mean 'trend'?"),
        ({"last": "7d"}, "$.kind", "give one of trend, active,"),
        ({"kind": 3}, "$.kind", "expected a string; found the number 3."),
        ({"kind": "funnel", "stps": []}, "$.stps", "Did you mean `steps`?"),
        ({"kind": "funnel"}, "$.steps", "this field is missing; give a list."),
        ({"kind": "funnel", "steps": [{"evnt": "x"}]}, "$.steps[0].evnt", "Valid are: event, where, within, name."),
        ({"kind": "retention", "start": {"event": "a"}}, "$.returns", "this field is missing"),
        ({"kind": "trend", "series": [], "breakdown": {"propery": "x"}}, "$.breakdown.propery", "`property`"),
        ({"kind": "trend", "series": [], "bucket": "dy"}, "$.bucket", "Did you mean `day`?"),
        ([], "$", "expected an object"),
    ],
)
def test_what_is_wrong(document: Any, path: str, says: str) -> None:
    with pytest.raises(msgspec.ValidationError) as wrong:
        msgspec.convert(document, Question)  # type: ignore[arg-type]
    found, sentence = in_words(wrong.value, Question, document)
    assert found == path
    assert says in sentence
