"""How a standalone project is built, and lives: one process from the first step to the last."""
