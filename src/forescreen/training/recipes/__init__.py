"""One file, one way to train: command, hardware, hours and expected result in its docstring."""
