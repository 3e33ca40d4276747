"""The file formats: definitions, settings, presets and states, as text and as models.

Does no I/O and reads no clock.
"""
