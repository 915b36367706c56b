"""Tile: a blob repeated along an axis."""

from __future__ import annotations

import torch

from caffekit.pycaffe.layer import Layer


class Tile(Layer):
    """Bottom → top with `tiles` copies of it along `axis`.

    tile_param: axis (1), tiles.
    """

    type = "Tile"

    def forward(self, bottom: list[torch.Tensor], params: list[torch.Tensor]) -> list[torch.Tensor]:
        param = self.layer_param.tile_param
        return [torch.cat([bottom[0]] * param.tiles, param.axis)]
