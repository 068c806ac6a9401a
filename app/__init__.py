"""The service: HTTP, worker, command line, pages and their wiring."""
