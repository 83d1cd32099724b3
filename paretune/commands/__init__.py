"""One module per command: options in, text or JSON out, nothing that another program could not call."""
