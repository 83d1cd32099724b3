"""What a worker does for a trial besides training it: reports, checkpoints, warnings, the limit of memory."""
