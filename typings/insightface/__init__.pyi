"""What is called of insightface 2.1, which ships without types."""
