"""The ledger's statements: enqueue, re-plan, reserve, arm, record, sweep, settle."""
