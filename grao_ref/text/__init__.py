"""Prompts and answers: as text or messages, as token ids, and as padded tensors."""
