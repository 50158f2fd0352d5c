"""How a PyTorch model is run, and what is taken of it, without a trace in its training."""
