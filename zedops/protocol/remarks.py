"""Phrases in agents' reports that `lifecycle` recognizes in a state's message. Pure.

`lifecycle` keeps a message with one of these phrases only while its cause lasts.
"""

#: A message begins with these.
PURGE_WAITS, NOT_APPLIED = "the purge waits", "the new definition is not applied: "
UNHEALTHY, NOT_AGAIN = "unhealthy: ", "it runs on, and is not started again: "
STARTING, NOT_READY = "starting: ", "unhealthy: it is not ready: "
BACKUP_FAILED, RESTORE_FAILED = "the last backup failed: ", "the last restore failed: "
PROOF_FAILED = "the last proof failed: "
#: Of a move that zedops carries out: it could not be done; it is under way.
NOT_MOVED, MOVING = "not moved to ", "moving to "
#: A message ends with this.
LEFT_SO = "left so by `drift: report`"
#: A message contains this.
UNSEEN = "cannot look at"
