"""What several processes do together: the rotation, and the retention of closed segments."""
