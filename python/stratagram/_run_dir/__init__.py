"""The files of a recording (docs/FORMAT.md): where they are, what they are called, how they grow."""
