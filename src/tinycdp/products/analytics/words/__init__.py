"""Questions in words: read from a sentence with an environment's names, and written as one."""
