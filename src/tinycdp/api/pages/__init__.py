"""The built pages: HTML with a policy, and the files that it names."""
