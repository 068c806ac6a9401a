"""What can be told from text alone: read `sentences`, `words`, `signs`, `markers`, `align`."""
