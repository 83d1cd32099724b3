"""Where the checkpoints of a search lie when its machines share no folder, with a copy of its rows."""
