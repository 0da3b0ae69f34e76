"""What a graph costs: operations, parameters, memory, what a TPU lacks."""
