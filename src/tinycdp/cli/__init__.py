"""The commands of `tinycdp`, a module for each kind; `__main__` puts them together.

Shape   each module has add_to(commands), which tells the parser its commands, and a function that runs each
Laws    a command imports what it needs when it runs: `check` and `--help` answer without loading a web server
        commands know options, terminal and database below them, and not each other
"""
