"""What the line of each request and traces cost."""
