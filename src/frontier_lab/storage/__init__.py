"""What lies on disk: files that survive a kill, the cache, the committed checkpoints and their manifest."""
