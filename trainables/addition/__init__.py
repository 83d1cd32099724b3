"""The addition task: its configuration, format, problems, and evaluation."""
