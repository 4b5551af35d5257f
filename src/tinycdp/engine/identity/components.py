"""Connected components: which ids are connected by edges, directly or through others.

Shape   components(ids, edges) → groups of ids · path(edges, start, end) → the shortest way between two
Laws    the groups partition the ids and do not depend on the order of the edges
"""

from collections.abc import Iterable, Set

Edge = tuple[int, int]


def components(ids: Iterable[int], edges: Iterable[Edge]) -> list[Set[int]]:
    """The ids in connected groups. An edge to an id that is not among them is ignored."""
    group = {id: {id} for id in ids}
    for one, other in edges:
        if one in group and other in group and group[one] is not group[other]:
            union = group[one] | group[other]
            for member in union:
                group[member] = union
    return list({id(members): members for members in group.values()}.values())


def path(edges: Iterable[Edge], start: int, end: int) -> list[int]:
    """The ids on a shortest way from `end` back to `start`, which have to be connected."""
    neighbours: dict[int, set[int]] = {}
    for one, other in edges:
        neighbours.setdefault(one, set()).add(other)
        neighbours.setdefault(other, set()).add(one)
    came_from = {start: start}
    queue = [start]
    for id in queue:  # grows while it is read: breadth first
        for other in sorted(neighbours[id] - came_from.keys()):
            came_from[other] = id
            queue.append(other)
    found = [end]
    while found[-1] != start:
        found.append(came_from[found[-1]])
    return found
