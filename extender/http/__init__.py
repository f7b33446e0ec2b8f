"""The HTTP server, and the wire format of scheduler extenders."""
