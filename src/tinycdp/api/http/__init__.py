"""What every route shares: keys, bodies, answers, parameters, errors, streams, and the OpenAPI document."""
