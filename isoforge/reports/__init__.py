"""What installations report: reports read, kept and shown. See `isoforge collect`."""
