"""Names that lead to a user's own code, and the nearest name where one leads nowhere."""
