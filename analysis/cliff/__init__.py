"""The parameter cliff: at which sizes a task begins to be learned."""
