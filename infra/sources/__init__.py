"""Places to read documents from. Read opening, folder, bucket; then guard, fetch, robots, sitemap, web."""
