"""What machine, tools and repository a checkout finds itself in."""
