"""The command: the local stack, the demo, the operators' verbs."""
