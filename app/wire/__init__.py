"""The shapes of requests and answers, as `docs/api.md` describes them."""
