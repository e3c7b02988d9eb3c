"""What a network gives: which of its tensors counts, and the loss that is made of it."""
