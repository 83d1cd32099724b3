"""What makes a step of a batch: gradients, optimizers, schedules, and the finish of a trained model."""
