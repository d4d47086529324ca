"""Training: collect a batch, update on it, report, repeat; checkpoints; the machine it runs on."""
