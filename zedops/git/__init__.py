"""Git's plumbing: objects, batches, refs, remotes. Knows no fleet."""
