"""What convbench measures: architectures as data, their closed-form cost, and their modules."""
