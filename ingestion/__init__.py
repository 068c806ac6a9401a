"""The write path: a file becomes chunks, pure."""
