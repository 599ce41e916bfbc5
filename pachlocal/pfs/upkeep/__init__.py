"""Maintenance of a store: finding damage (`check`), collecting garbage (`collection`)."""
