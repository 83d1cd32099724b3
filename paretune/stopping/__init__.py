"""Early stopping: which trials go on, which are stopped or paused, and what a rule does to whole curves."""
