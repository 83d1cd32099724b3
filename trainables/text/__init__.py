"""Text: shards of tokens on disk, tokenizers, data sets, and building them.

Nothing here imports torch: checking a space file that trains on text must be quick.
"""
