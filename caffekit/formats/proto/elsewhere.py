"""Fields and layer types of forks that no overlay covers: who has them, so that a message can say it."""

from __future__ import annotations

from collections.abc import Iterator

_CTC = "warp-ctc (xmfbit/warpctc-caffe)"
_DEEPLAB = "DeepLab (deeplab-public-ver2)"
_DECONVNET = "DeconvNet (HyeonwooNoh/DeconvNet)"
_HAPPYNEAR = "caffe-windows (happynear)"
_NVIDIA = "NVIDIA Caffe (NVIDIA/caffe)"

_FIELDS: dict[str, dict[str, str]] = {
    _NVIDIA: {
        "NetParameter": "default_forward_type default_backward_type default_forward_math"
        " default_backward_math default_conv_algos_override global_grad_scale eltwise_force",
        "LayerParameter": "forward_type backward_type forward_math backward_math debug",
        "BatchNormParameter": "scale_bias scale_filler bias_filler",
        "DataParameter": "threads parser_threads cache shuffle",
    },
    "SegNet (alexgkendall/caffe-segnet) or PSPNet (hszhao/PSPNet)": {
        "LayerParameter": "bn_param upsample_param dense_image_data_param",
    },
    _DEEPLAB: {
        "LayerParameter": "interp_param seg_accuracy_param densecrf_param mat_read_param mat_write_param",
        "ImageDataParameter": "label_type",
    },
    _CTC: {
        "LayerParameter": "transpose_param reverse_param ctc_decoder_param warpctc_loss_param warp_ctc_param"
        " continuation_indicator_param",
    },
    _HAPPYNEAR: {
        "LayerParameter": "inner_distance_param general_contrastive_loss_param general_triplet_loss_param"
        " label_specific_rescale_param",
        "SoftmaxParameter": "normalize_type",
        "AccuracyParameter": "min_is_better",
        "ParameterParameter": "blob_filler",
    },
    "ducha-aiki/caffenet-benchmark": {
        "LayerParameter": "apl_param eltwise_affine_param rrelu_param",
    },
    "CRF-RNN (torrvision/crfasrnn)": {
        "LayerParameter": "multi_stage_meanfield_param",
        "V1LayerParameter": "multi_stage_meanfield_param MULTI_STAGE_MEANFIELD",
    },
    "FCN (longjon/caffe, branch future)": {"V1LayerParameter": "CROP"},
    _DECONVNET: {"V1LayerParameter": "bn_param unpooling_param BN UNPOOLING"},
    "ShuffleNet (farmingyard/ShuffleNet)": {"LayerParameter": "shuffle_channel_param"},
    "caffe-heatmap (tpfister)": {"LayerParameter": "visualise heatmap_data_param"},
    "Petuum's Caffe (pmls-caffe)": {
        "DataParameter": "shared_file_system",
        "ImageDataParameter": "shared_file_system",
    },
    "convolutional LSTM (t2mhanh/caffe_convLSTM_WTA)": {
        "LayerParameter": "lstm_conv_param lstm_debug_param spatial_wta_param",
    },
}

_TYPES = {
    "Faster R-CNN (rbgirshick/caffe-fast-rcnn)": "ROIPooling SmoothL1Loss Proposal PSROIPooling",
    "SSD (weiliu89/caffe, branch ssd)": "AnnotatedData DetectionEvaluate DetectionOutput MultiBoxLoss Permute"
    " PriorBox SmoothL1Loss VideoData",
    "SENet (hujie-frank/SENet)": "Axpy",
    _DEEPLAB: "Interp SegAccuracy DenseCRF ImageSegData MatRead MatWrite",
    "SegNet or PSPNet": "BN Upsample DenseImageData Interp",
    _CTC: "CtcLoss CTCDecoder ContinuationIndicator Lstm Reverse Transpose WarpCTC",
    "ShuffleNet (farmingyard/ShuffleNet)": "ShuffleChannel",
    "CRF-RNN (torrvision/crfasrnn)": "MultiStageMeanfield",
    "FlowNet (lmb-freiburg/flownet2)": "Correlation FlowWarp L1Loss Resample",
    "ducha-aiki/caffenet-benchmark": "APL EltwiseAffine RReLU",
    "HED (s9xie/hed)": "ImageLabelmapData",
}


def _table() -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    for fork, messages in _FIELDS.items():
        for message, names in messages.items():
            for name in names.split():
                yield (message, name), (fork,)


ELSEWHERE = dict(_table())
"""(message, field or value) → the forks that have it."""


def forks_with_type(kind: str) -> list[str]:
    """The forks that are known to have layers of type `kind`."""
    return [fork for fork, types in _TYPES.items() if kind in types.split()]
