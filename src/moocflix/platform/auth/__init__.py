"""Who calls: tokens, the keys that sign them, what ends them early, and who may do what."""
