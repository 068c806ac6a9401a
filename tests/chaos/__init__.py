"""Crashes on purpose: first `launcher`, then `test_kills` and `test_state_machine`."""
