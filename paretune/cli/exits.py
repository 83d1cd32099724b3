"""Exit codes of every command."""

OK = 0
OUR_FAILURE = 1
WRONG_INPUT = 2
INTERRUPTED = 130
"""As a shell reports a process that Ctrl-C ended."""
CUT_OFF = 141
"""As a shell reports a process whose reader went away, such as ``head``."""
