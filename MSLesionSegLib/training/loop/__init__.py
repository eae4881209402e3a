"""The training loop with what it needs: recipe, loss, schedule, checkpoints and processes."""
