"""Results of real runs: drivers that call the commands, and the small logs that they leave."""
