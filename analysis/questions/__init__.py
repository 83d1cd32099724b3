"""Models of what a search was asked: what its trials say, and which trial would tell most."""
