"""Records in SQLite or Postgres. Read `tables` first, then `database`, then one file per noun."""
