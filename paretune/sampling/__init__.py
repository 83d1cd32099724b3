"""Which configuration to train next, and what the sampler is told of how it went; free of Ray."""
