"""The write path: a file becomes chunks, pure.

Read `documents` (the record and its legal moves), `leases` (who works on what), `intake` (the door), `parse`
and `sniff`, `chunk`, `reading`, then `pipeline`, the one flow, with `heartbeat` beside it, and `sweep`.
"""
