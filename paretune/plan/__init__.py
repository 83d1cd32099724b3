"""Plans with their tasks: checked, counted, and prepared."""
