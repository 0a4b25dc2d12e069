"""onscreen: folders of videos of people -> versioned, trustworthy datasets and models."""

__version__ = "0.1.0"
