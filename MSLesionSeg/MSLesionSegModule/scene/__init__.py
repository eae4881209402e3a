"""What lies in the scene: volumes, segments, results and the review over them."""
