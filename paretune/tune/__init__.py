"""The bridge to Ray Tune; nothing else in paretune imports Ray."""
