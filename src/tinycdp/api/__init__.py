"""HTTP for the core: one package for each capability, with its routes and the structs they exchange.

Shape   routes.py, or a module for each part of a capability, and schemas.py; http/ is what every route shares
        A handler names its parts, its body and its answer, and is called as its operation id, here createKey:

            @post("/v1/admin/keys", summary="…", tags=["Operation"], scope="admin", example={"name": "shop"})
            async def create_key(
                actor: Injected[Actor], pool: Injected[Pool], now: Injected[Clock], data: JSONBody[KeyBody]
            ) -> NewKey: ...

        ExactResponse[NewKey] adds a status or headers; JSONBody[KeyBody] = KeyBody() is a body that may be left out
Laws    routes translate; they decide nothing. Bodies are frozen structs that forbid unknown fields
        by hand are only decisions/fast_lane.py, OFREP's lane, and the bodies of foreign protocols
Source  docs/decisions/0031-native-handlers.md
"""
