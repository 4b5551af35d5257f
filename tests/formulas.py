"""Texts that a spreadsheet may run as a formula, and texts that it does not."""

SIGNS = "=+-@＝＋－＠﹦﹢﹣﹫"
BEFORE = [
    "",
    " ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\ufeff",
    "\xa0",
    "\u200b",
    "\u2028",
    "\u3000",
    "\x00",
    "\x1f",
    "\x85",
    " \ufeff\t ",
]
RUNS = [before + sign + "1+1" for before in BEFORE for sign in SIGNS] + ["\tx", "\rx", "\nx", "=", "-"]
PLAIN = ["", " ", "a=1", "ada@example.org", "1-2", "'=1", "（=1", " a", "\ufeffa", "ä", "５"]
