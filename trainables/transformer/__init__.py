"""The decoder-only transformer: its shape and exact count (no torch), and the model itself."""
