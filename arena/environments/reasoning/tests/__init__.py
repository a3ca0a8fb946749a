"""Rules of reasoning-gym's families."""
