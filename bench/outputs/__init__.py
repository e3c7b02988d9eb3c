"""What a network gives: which of its tensors counts, the loss that is made of it, and what that can train."""
