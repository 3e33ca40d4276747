"""The zedops agent: makes one Docker host look like its desired document, and reports back."""
