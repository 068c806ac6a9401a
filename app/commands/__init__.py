"""The commands of `cairn`, one file per noun. Each is a client of the service over HTTP."""
