"""The commands: options in, one call, report out. The only place that imports click.

Nothing heavy is imported here: `caffekit COMMAND --help` answers in under 0.3 s.
"""

from __future__ import annotations

import click

from caffekit import __version__
from caffekit.cli import chain, data, models, nets, training
from caffekit.cli.common import Group


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="caffekit")
def main() -> None:
    """Train real Caffe models today: a folder of images in, a trustworthy .caffemodel out.

    \b
    caffekit run pipeline.yaml          the whole chain from one file
    caffekit diagnose-nan --log F       why did the loss explode?
    """


for module in (data, nets, models, training, chain):
    for each in module.COMMANDS:
        main.add_command(each)
