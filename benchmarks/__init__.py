"""How fast the networks are, beside the machine's limit and what else one could use."""
