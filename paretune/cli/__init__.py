"""The command line: its app, its options and its commands."""
