"""How laws are checked: one Hypothesis profile, and how many examples.

Shape   examples(n, deep=m) decorates a law: n examples, or m of them under TINYCDP_HYPOTHESIS=deep. Alone, `@given` is
        enough: the profile is loaded by conftest.py, which also takes the timeout from a deep run
Laws    no wall-clock time decides: a busy machine may take as long as it wants
"""

import os

from hypothesis import HealthCheck, settings

DEEP = os.environ.get("TINYCDP_HYPOTHESIS") == "deep"

PROFILE = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,  # on a busy machine everything is
        HealthCheck.data_too_large,  # a history of hundreds of events is meant to be large
        HealthCheck.filter_too_much,  # of random definitions few are sound, of random histories few have a merge
        HealthCheck.function_scoped_fixture,  # examples share a test's database, each in an environment of its own
    ],
)


def examples(usually: int, *, deep: int | None = None) -> settings:
    return settings(max_examples=deep if DEEP and deep is not None else usually)
