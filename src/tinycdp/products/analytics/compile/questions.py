"""The compiler of each kind of question.

Shape   compile_question(question, world) → Compiled
Errors  InvalidInput INVALID_QUESTION, with the path of the field
"""

from dataclasses import replace

from tinycdp.products.analytics.answers.scaling import MILLION, scaled
from tinycdp.products.analytics.answers.schemas import Answer
from tinycdp.products.analytics.compile.activity import compile_active, compile_frequency, compile_stickiness
from tinycdp.products.analytics.compile.adoption import compile_adoption
from tinycdp.products.analytics.compile.experiments.experiment import compile_experiment
from tinycdp.products.analytics.compile.experiments.impact import compile_impact
from tinycdp.products.analytics.compile.funnels.answers import compile_funnel
from tinycdp.products.analytics.compile.lifecycle import compile_lifecycle
from tinycdp.products.analytics.compile.paths import compile_paths
from tinycdp.products.analytics.compile.people import millionths_of
from tinycdp.products.analytics.compile.retention.answers import compile_retention
from tinycdp.products.analytics.compile.sessions import compile_sessions
from tinycdp.products.analytics.compile.trends.trend import compile_trend
from tinycdp.products.analytics.compile.world import Compiled, World
from tinycdp.products.analytics.questions.schemas import (
    ActiveQuestion,
    AdoptionQuestion,
    ExperimentQuestion,
    FrequencyQuestion,
    FunnelQuestion,
    ImpactQuestion,
    LifecycleQuestion,
    PathsQuestion,
    Question,
    RetentionQuestion,
    SessionsQuestion,
    StickinessQuestion,
    TrendQuestion,
)


def compile_question(question: Question, world: World) -> Compiled[Answer]:
    """Compile a question of any kind. Over a sample of people its answer is scaled to all of them."""
    compiled, millionths = _compile(question, world), millionths_of(question)
    if millionths == MILLION:
        return compiled
    return replace(compiled, read=lambda rows: scaled(compiled.read(rows), millionths))


def _compile(question: Question, world: World) -> Compiled[Answer]:
    match question:
        case TrendQuestion():
            return compile_trend(question, world)
        case ActiveQuestion():
            return compile_active(question, world)
        case StickinessQuestion():
            return compile_stickiness(question, world)
        case FrequencyQuestion():
            return compile_frequency(question, world)
        case FunnelQuestion():
            return compile_funnel(question, world)
        case RetentionQuestion():
            return compile_retention(question, world)
        case SessionsQuestion():
            return compile_sessions(question, world)
        case PathsQuestion():
            return compile_paths(question, world)
        case AdoptionQuestion():
            return compile_adoption(question, world)
        case ExperimentQuestion():
            return compile_experiment(question, world)
        case ImpactQuestion():
            return compile_impact(question, world)
        case LifecycleQuestion():
            return compile_lifecycle(question, world)
