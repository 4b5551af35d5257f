"""The compiler of each kind of question.

Shape   compile_question(question, world) → Compiled
Errors  InvalidInput INVALID_QUESTION, with the path of the field
"""

from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.compile.trend import compile_trend
from tinycdp.products.analytics.compile.world import Compiled, World
from tinycdp.products.analytics.questions.schemas import Question, TrendQuestion


def compile_question(question: Question, world: World) -> Compiled[Answer]:
    """Compile a question of any kind."""
    match question:
        case TrendQuestion():
            return compile_trend(question, world)
    raise AssertionError(f"no compiler for {type(question).__name__}")
