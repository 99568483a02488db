"""The database: tables, the ledger's statements, the unit of work, migrations."""
