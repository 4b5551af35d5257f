"""How a handler gets the parts it works with: as parameters, by name.

Shape   pool: Injected[Pool], now: Injected[Clock], actor: Injected[Actor]
Source  app.py makes the parts; application.py provides one for each name in `PARTS`
"""

from typing import TypeAlias, TypeVar

from litestar.di import NamedDependency

T = TypeVar("T")

#: A part of the process, provided by the name of the parameter.
Injected: TypeAlias = NamedDependency[T]
