"""The commands of `tinycdp`, one module for each group; main.py puts them together.

Shape   each module has add_to(commands), which adds its commands to the parser, and a function that runs each
Laws    a command imports what it needs when it runs: `check` and `--help` answer without loading a web server.
        Commands import options, terminal and database, and not each other
"""
