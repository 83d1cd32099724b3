"""The native engine: training steps of small models in C++, compiled for their shape on this machine."""
