"""Measuring the very system that users get."""
