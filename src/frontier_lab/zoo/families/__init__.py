"""What several recipes share: models of one family, trained and measured alike."""
