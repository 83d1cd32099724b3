"""What a search leaves behind: its folder, rows, events, provenance, and curves for TensorBoard."""
