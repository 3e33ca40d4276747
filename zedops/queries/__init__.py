"""The read models that the CLI, the socket and the web page show. Changes nothing."""
