"""HTTP for the core: one package for each capability, with its routes and the structs they exchange."""
