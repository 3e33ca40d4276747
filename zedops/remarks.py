"""Phrases that an agent's report and a state's message share, so that both sides know them. Pure.

`lifecycle` keeps a message that has one of them only as long as its cause lasts.
"""

#: A message begins with these.
PURGE_WAITS, NOT_APPLIED = "the purge waits", "the new definition is not applied: "
UNHEALTHY, NOT_AGAIN = "unhealthy: ", "it runs on, and is not started again: "
#: A message ends with this.
LEFT_SO = "left so by `drift: report`"
#: A message contains this.
UNSEEN = "cannot look at"
