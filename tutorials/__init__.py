"""Tutorials and a FAQ as percent scripts, and what turns them into notebooks and one offline site."""
