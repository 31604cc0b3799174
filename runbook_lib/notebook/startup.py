"""Let a kernel show what stops its cells as cards from its first cell on: PYTHONSTARTUP names it.

After a restart a cell may be run before the one that opens the run.
"""

from runbook_lib.notebook.failure import show_as_cards

show_as_cards()
del show_as_cards  # the names of a kernel are its page's
