"""What a run's files become: matrices, figures, comparisons."""
