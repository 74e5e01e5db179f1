"""What every recipe shares: the training loop, tokenizers, and how a checkpoint is stored."""
