"""How the stand-in misbehaves."""
