"""The slice store: shards of cases, and the torch dataset over them."""
