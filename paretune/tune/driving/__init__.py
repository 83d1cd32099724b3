"""What the driver does while Tune runs: it hears signals, watches Ray, and ends what has to end."""
