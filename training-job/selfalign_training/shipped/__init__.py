"""What merged weights say of themselves: how they are asked, and where an answer ends."""
