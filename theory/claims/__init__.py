"""One readable file per claim, or per family of small ones: statement, argument, computation, control."""
