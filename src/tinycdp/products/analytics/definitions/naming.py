"""What questions may name of saved definitions: derived events and metrics, as their parts.

Shape   saved_of(documents) → Saved, whose maps go into a World
Laws    one metric serves trends and experiments: `conversion` and `people` are one measure
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tinycdp.engine.catalog import Name
from tinycdp.products.analytics.definitions.documents import Documented
from tinycdp.products.analytics.definitions.schemas import EventDocument, MetricDocument
from tinycdp.products.analytics.questions.schemas import DerivedEvent, ExperimentMetric, Series

#: What an experiment calls the measures of a metric. It has no other ones.
_OF_EXPERIMENTS: dict[str, Literal["conversion", "count", "sum"]] = {
    "conversion": "conversion",
    "people": "conversion",
    "count": "count",
    "sum": "sum",
}


@dataclass(frozen=True, slots=True)
class Saved:
    """What questions may name. version: the number of the newest save; 0 before the first"""

    derived: Mapping[str, DerivedEvent] = field(default_factory=dict)
    metrics: Mapping[str, Series] = field(default_factory=dict)
    experiment_metrics: Mapping[str, ExperimentMetric] = field(default_factory=dict)
    version: int = 0


def saved_of(documents: Mapping[Name, Documented], version: int = 0) -> Saved:
    """What questions may name, of documents by their names."""
    derived: dict[str, DerivedEvent] = {}
    metrics: dict[str, Series] = {}
    experiment_metrics: dict[str, ExperimentMetric] = {}
    for (_, key), document in documents.items():
        if isinstance(document, EventDocument):
            derived[key] = DerivedEvent(any=document.any)
        elif isinstance(document, MetricDocument):
            name, measure = document.name or key, document.measure
            shown = "people" if measure == "conversion" else measure
            metrics[key] = Series(document.event, document.where, shown, document.property, name=name)
            if isinstance(measure, str) and (kind := _OF_EXPERIMENTS.get(measure)) is not None:
                experiment_metrics[key] = ExperimentMetric(
                    document.event, document.where, kind, document.property, document.within, name=name
                )
    return Saved(derived, metrics, experiment_metrics, version)
