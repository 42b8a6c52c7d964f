"""What CI systems read: from reports to text, nothing else. Pure."""
