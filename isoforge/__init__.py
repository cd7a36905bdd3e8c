"""isoforge: hosts and an official Ubuntu ISO in, one bootable ISO that installs the whole fleet out."""

__version__ = "0.1.0"
