"""What a machine has and makes faster, and what a configuration needs of it."""
