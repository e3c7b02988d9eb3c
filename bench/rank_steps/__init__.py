"""What strategies are made of: a rank's share of the batch, its step, and exchanges that gradients follow."""
