"""isoforge: one bootable Ubuntu ISO that installs a whole fleet."""

__version__ = "0.2.0"
