"""What the stand-in says: the documented addresses, answers and refusals."""
