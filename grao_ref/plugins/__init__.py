"""What the other packages share: names and dotted paths that users write, somebody else's errors, hashes of files."""
