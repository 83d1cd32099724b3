"""The machines of a cluster: whether they can run a search's trials, which join, and which are lost."""
