"""What the stand-in knows."""
