"""A trained adder as one self-contained Python file, as the public challenge AdderBoard requires."""
