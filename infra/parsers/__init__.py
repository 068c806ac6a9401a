"""Files to text and structure. Read source, clean, manuscript, then a reader, then child."""
