"""HTTP for the core: one package for each capability, with its routes and wire structs.

Shape   routes.py, or a module for each part of a capability, and schemas.py; http/ is shared by all routes
        A handler names its parts, its body and its answer. Its name is its operation id, here createKey:

            @post("/v1/admin/keys", summary="…", tags=["Operation"], scope="admin", example={"name": "shop"})
            async def create_key(
                actor: Injected[Actor], environment: Injected[Environment], data: JSONBody[KeyBody]
            ) -> NewKey: ...

        ExactResponse[NewKey] adds a status or headers; JSONBody[KeyBody] = KeyBody() is an optional body
Laws    routes translate; they decide nothing. Bodies are frozen structs that forbid unknown fields.
        Only decisions/fast_lane.py, OFREP's fast lane and the bodies of foreign protocols are handled without the
        framework
Source  docs/decisions/0031-native-handlers.md
"""
