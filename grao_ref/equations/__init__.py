"""The paper, line by line: pure functions of tensors that import torch and nothing else of this project."""
