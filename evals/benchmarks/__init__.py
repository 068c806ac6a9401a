"""How fast the parts are, each against the plain way of doing the same, on this very machine."""
