"""The fleet's bare repository, and the pushes to it. Knows no host."""
