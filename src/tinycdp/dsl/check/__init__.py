"""From a syntax tree to a typed one: names resolved, types checked, lints."""
