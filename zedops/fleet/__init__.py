"""The pure rules across servers of a fleet. Does no I/O and reads no clock."""
