"""Which of the trials that could run gets a slot, and which goes on at a rung."""
