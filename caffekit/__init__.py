"""caffekit: from a folder of images to a trustworthy .caffemodel."""

__version__ = "0.1.0"
