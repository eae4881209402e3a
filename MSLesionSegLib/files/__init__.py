"""Files as they ought to be written and read: whole or not at all, and with nothing believed that others wrote."""
