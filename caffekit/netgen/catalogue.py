"""What is known of each template: its options, their ranges and defaults, what it is good for."""

from __future__ import annotations

from dataclasses import dataclass

FULL = "its first inner product would have too many weights"
POOLED = "its poolings and strides would leave nothing"
RESIDUAL = "maxout halves a sum's width, and what goes around a block would no longer fit"
BY_MAP = "a filter for each map cannot make two maps of it"


@dataclass(frozen=True)
class Template:
    """A row of TEMPLATES; `sides`: smallest and largest image side, the published one first.

    `depths`: the numbers of layers to choose from, the default first. `images`: how many a record holds, for
    nets that compare. `no_maxout`: why this net cannot have maxout. `photos`: depths for large images, whose
    smallest side is 32. `convolves`: its scores come from a convolution, which only softmax takes as it is.
    """

    title: str
    good_for: str
    sides: tuple[int, int, int]
    classifier: str = "fc"
    source: str = ""
    depths: tuple[int, ...] = ()
    photos: tuple[int, ...] = ()
    widths: tuple[float, float] = (0.125, 4.0)
    activation: str = "relu"
    dropout: float = 0.0
    drops_paths: bool = False
    drop_path: float = 0.0
    images: int = 1
    no_maxout: str = ""
    features: str = ""
    too_large: str = ""
    loss: str = "softmax"
    convolves: bool = False

    def smallest(self, depth: int) -> int:
        """The smallest image side."""
        return 32 if depth in self.photos else self.sides[1]


LENET = (28, 16, 96)
SMALL = (32, 8, 512)
TEMPLATES = {
    "alexnet": Template(
        "AlexNet", "photographs, where much is published to compare with", (227, 67, 512), "fc8",
        "Krizhevsky et al. 2012; bvlc_alexnet", dropout=0.5, too_large=FULL,
    ),
    "all_conv": Template(
        "All-CNN-C", "small images, only convolutions", (32, 12, 512), "pool9",
        "Springenberg et al. 2014", dropout=0.5, convolves=True,
    ),
    "caffenet": Template(
        "CaffeNet", "fine-tuning from BVLC's own reference model", (227, 67, 512), "fc8",
        "bvlc_reference_caffenet", dropout=0.5, too_large=FULL,
    ),
    "center_face": Template(
        "CenterFace", "faces of 96x112, with center loss", (96, 32, 256), "fc6", "Wen et al. 2016",
        activation="prelu", no_maxout=RESIDUAL, features="fc5", too_large=FULL, loss="center",
    ),
    "cifar10_full": Template(
        "CIFAR10_full", "small colour images, a classic", (32, 8, 128), "ip1", "Caffe's examples",
        too_large=FULL,
    ),
    "cifar10_quick": Template(
        "CIFAR10_quick", "small colour images, trained in minutes", (32, 8, 128), "ip2",
        "Caffe's examples", too_large=FULL,
    ),
    "densenet": Template(
        "DenseNet", "few images: every layer sees all before it", (32, 8, 512), "fc6", "Huang et al. 2016",
        depths=(40, 100, 121), photos=(121,),
    ),
    "fractalnet": Template(
        "FractalNet", "depth without shortcuts, with drop-path", (32, 32, 512), "fc6", "Larsson et al. 2016",
        depths=(20, 5, 10, 40), drops_paths=True, drop_path=0.15, too_large=FULL,
    ),
    "googlenet": Template(
        "GoogLeNet", "photographs, few weights", (224, 80, 1024), "loss3/classifier",
        "Szegedy et al. 2014; bvlc_googlenet",
        dropout=0.4,
    ),
    "lenet": Template(
        "LeNet", "digits and other small grey images", LENET, "ip2", "Caffe's examples", too_large=FULL,
    ),
    "maxout": Template(
        "Maxout", "small images with strong dropout", (32, 8, 128), "ip2", "Goodfellow et al. 2013",
        activation="maxout", dropout=0.5, too_large=FULL,
    ),
    "mobilenet_v1": Template(
        "MobileNet", "devices with little power", (224, 32, 1024), "fc7", "Howard et al. 2017",
        no_maxout=BY_MAP, convolves=True,
    ),
    "mobilenet_v2": Template(
        "MobileNetV2", "devices with little power", (224, 32, 1024), "fc7", "Sandler et al. 2018",
        drops_paths=True, no_maxout=BY_MAP, convolves=True,
    ),
    "nin": Template(
        "NIN", "small images, no inner product", SMALL, "pool3", "Lin et al. 2013", dropout=0.5,
        convolves=True,
    ),
    "preact_resnet": Template(
        "PreActResNet", "very deep nets of small images", SMALL, "fc{classes}", "He et al. 2016",
        depths=(20, 32, 44, 56, 110, 164), drops_paths=True, no_maxout=RESIDUAL,
    ),
    "resnet": Template(
        "ResNet", "the first to try: small images (20 … 110) and photographs (18, 34, 50)",
        SMALL, "fc{classes}",
        "He et al. 2015", depths=(20, 32, 44, 56, 110, 18, 34, 50), photos=(18, 34, 50), drops_paths=True,
        no_maxout=RESIDUAL,
    ),
    "siamese": Template(
        "Siamese", "whether two small images show the same", LENET, "",
        "Hadsell et al. 2006; Caffe's examples",
        images=2, features="feat", too_large=FULL,
    ),
    "sphereface": Template(
        "SphereFace-20", "faces of 96x112, with A-Softmax", (96, 32, 256), "fc6", "Liu et al. 2017",
        activation="prelu", no_maxout=RESIDUAL, features="fc5", too_large=FULL, loss="a_softmax",
    ),
    "squeezenet": Template(
        "SqueezeNet", "photographs with a model of 5 MB", (227, 32, 1024), "pool10",
        "Iandola et al. 2016, version 1.1",
        dropout=0.5, convolves=True,
    ),
    "triplet": Template(
        "Triplet", "ranking small images by likeness", LENET, "", "Schroff et al. 2015",
        images=3, features="feat",
        too_large=FULL,
    ),
    "vgg": Template(
        "VGG", "photographs, features for other tasks", (224, 32, 448), "fc8", "Simonyan and Zisserman 2014",
        depths=(16, 11, 13, 19), dropout=0.5, too_large=FULL,
    ),
    "vgg_narrow": Template(
        "VGG_narrow", "small sets of small images", (32, 8, 512), "fc4", "after Simonyan and Zisserman 2014",
    ),
}  # fmt: skip
BLOCKS = Template("Blocks", "what the templates do not have", (32, 1, 4096), "classifier")
"""Of a net that is spelled out."""
