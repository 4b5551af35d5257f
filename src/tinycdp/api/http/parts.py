"""Parts of the process as parameters of handlers, by name.

Shape   pool: Injected[Pool], now: Injected[Clock], actor: Injected[Actor]
Source  app.py makes the parts; application.py provides one for each name in `PARTS`
"""

from typing import TypeAlias, TypeVar

from litestar.di import NamedDependency

T = TypeVar("T")

#: A part of the process, provided by the parameter's name.
Injected: TypeAlias = NamedDependency[T]
