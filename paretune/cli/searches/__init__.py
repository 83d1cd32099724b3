"""Commands around a search: check, data, search, watch, doctor, schema."""
