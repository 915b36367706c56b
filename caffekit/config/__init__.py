"""YAML with positions → checked settings, all mistakes at once."""

from caffekit.config.dump import absolute, resolved_yaml
from caffekit.config.load import Loaded, load, load_settings
from caffekit.config.schema import Settings
from caffekit.config.shipped import shipped, shipped_folder, shipped_names

__all__ = [
    "Loaded",
    "Settings",
    "absolute",
    "load",
    "load_settings",
    "resolved_yaml",
    "shipped",
    "shipped_folder",
    "shipped_names",
]
