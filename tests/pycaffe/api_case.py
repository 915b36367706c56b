# -*- coding: utf-8 -*-
"""What pycaffe's Python side gives, run by any module that plays `caffe`.

Under real Caffe it records what ours must equal:
    PYTHON_WITH_CAFFE tests/pycaffe/api_case.py tests/cases
writes api.npz and net_spec/*.prototxt there. Runs under Python 3.9 with numpy 1.19, where real Caffe lives.
"""

import os
import sys
import tempfile

import numpy as np

DEPLOY = """
name: "deploy"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 dim: 8 dim: 8 } } }
layer {
  name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 }
}
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param { num_output: 5 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""


def weights(caffe, folder):
    """DEPLOY in a file, and its weights in another, made from a fixed seed."""
    model, trained = os.path.join(folder, "deploy.prototxt"), os.path.join(folder, "a.caffemodel")
    with open(model, "w") as file:
        file.write(DEPLOY)
    net = caffe.Net(model, caffe.TEST)
    random = np.random.RandomState(5)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data[...] = random.uniform(-0.05, 0.05, blob.data.shape)
    net.save(trained)
    return model, trained


def record(caffe):
    """{name: array} of everything that gives numbers."""
    out = {}
    random = np.random.RandomState(3)
    _resized(caffe, random, out)
    _transformed(caffe, random, out)
    folder = tempfile.mkdtemp()
    _classified(caffe, random, out, *weights(caffe, folder))
    _batched(caffe, random, out, *weights(caffe, folder))
    for name in os.listdir(folder):
        os.remove(os.path.join(folder, name))
    os.rmdir(folder)
    return out


def _resized(caffe, random, out):
    for channels in (1, 3, 5):
        image = random.uniform(-3, 200, (8, 12, channels)).astype(np.float32)
        for size in ((8, 12), (4, 3), (11, 17), (16, 5), (1, 1)):
            for order in (0, 1, 3) if channels < 5 else (1,):
                name = "resize/%d/%dx%d/%d" % (channels, size[0], size[1], order)
                out[name] = caffe.io.resize_image(image, size, interp_order=order)
    out["resize/constant"] = caffe.io.resize_image(np.full((3, 4, 3), 7, np.float32), (5, 6))
    out["resize/uint8"] = caffe.io.resize_image(random.randint(0, 256, (7, 9, 3)).astype(np.uint8), (5, 12))
    out["resize/biquadratic"] = caffe.io.resize_image(random.uniform(0, 1, (7, 9, 3)), (5, 12), 2)
    out["oversample"] = caffe.io.oversample(random.uniform(0, 1, (2, 9, 10, 3)), (4, 5))


def _transformed(caffe, random, out):
    image = random.uniform(0, 1, (9, 7, 3)).astype(np.float32)
    means = {
        "channels": np.array([104.0, 117.0, 123.0]),
        "image": random.uniform(90, 130, (3, 8, 6)),
        "larger": random.uniform(90, 130, (3, 16, 16)),
    }
    for name, mean in means.items():
        transformer = caffe.io.Transformer({"data": (1, 3, 8, 6)})
        transformer.set_transpose("data", (2, 0, 1))
        transformer.set_channel_swap("data", (2, 0, 1))
        transformer.set_raw_scale("data", 255)
        transformer.set_mean("data", mean)
        transformer.set_input_scale("data", 0.017)
        out["preprocess/" + name] = done = transformer.preprocess("data", image)
        out["deprocess/" + name] = transformer.deprocess("data", done)


def _classified(caffe, random, out, model, trained):
    images = [random.uniform(0, 1, (12, 14, 3)).astype(np.float32) for _ in range(3)]
    options = {"raw_scale": 255, "channel_swap": (2, 1, 0), "mean": random.uniform(90, 130, (3, 8, 8))}
    classifier = caffe.Classifier(model, trained, image_dims=(11, 10), **options)
    out["classifier/oversample"] = classifier.predict(images)
    out["classifier/centre"] = classifier.predict(images, oversample=False)
    detector = caffe.Detector(model, trained, context_pad=2, **options)
    out["detector/crop_mean"] = detector.crop_mean
    out["detector/crop_dims"] = detector.crop_dims


def _batched(caffe, random, out, model, trained):
    net = caffe.Net(model, caffe.TEST, weights=trained)
    data, diff = random.uniform(-1, 1, (6, 3, 8, 8)), random.uniform(-1, 1, (6, 5))
    for name, array in net.forward_all(blobs=["conv"], data=data).items():
        out["forward_all/" + name] = array
    net = forced(caffe, model, trained)
    for part in net.forward_backward_all(blobs=["ip"], diffs=["conv"], data=data, prob=diff):
        for name, array in part.items():
            out["forward_backward_all/%s/%s" % (name, array.shape[1:])] = array


def forced(caffe, model, trained):
    """The net with gradients down to its input."""
    with open(model, "a") as file:
        file.write("force_backward: true\n")
    return caffe.Net(model, caffe.TEST, weights=trained)


def lenet(caffe, L, P):
    n = caffe.NetSpec()
    n.data, n.label = L.Data(
        batch_size=64, backend=P.Data.LMDB, source="db", transform_param=dict(scale=1.0 / 255), ntop=2
    )
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=20, weight_filler=dict(type="xavier"))
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.ip1 = L.InnerProduct(n.pool1, num_output=500, weight_filler=dict(type="xavier"))
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    n.ip2 = L.InnerProduct(n.relu1, num_output=10, weight_filler=dict(type="xavier"))
    n.loss = L.SoftmaxWithLoss(n.ip2, n.label)
    return n.to_proto()


def named(caffe, L, P):
    """name=, settings of the layer and of all layers, lists, dicts, items, a type without settings."""
    n = caffe.NetSpec()
    n.data = L.Input(shape=[dict(dim=[2, 3, 9, 9])], name="input_layer")
    n.conv = L.Convolution(
        n.data,
        name="first",
        param=[dict(lr_mult=1, decay_mult=1), dict(lr_mult=2, decay_mult=0)],
        num_output=4,
        kernel_size=[3, 5],
        pad=1,
        bias_filler=dict(type="constant", value=0.5),
        convolution_param=dict(group=1),
    )
    n["a/b"] = L.Power(n.conv, power=2, include=dict(phase=caffe.TEST), loss_weight=0.5)
    n.one, n.two = L.Slice(n.conv, slice_point=2, axis=1, ntop=2)
    n.quiet = L.Silence(n.two, ntop=0)
    n.sum = L.Eltwise(n.one, n["a/b"], operation=P.Eltwise.SUM, coeff=[1, -1])
    n.mine = L.Python(n.sum, module="m", layer="Mine", param_str="1", propagate_down=True)
    n.flat = L.Flatten(n.mine)
    return n.to_proto()


def anonymous(caffe, L, P):
    """Tops without names, one of them in place, one layer used twice."""
    data, label = L.DummyData(shape=[dict(dim=[2, 3]), dict(dim=2)], ntop=2)
    ip = L.InnerProduct(data, num_output=4)
    relu = L.ReLU(ip, in_place=True)
    return caffe.to_proto(L.SoftmaxWithLoss(relu, label), L.Accuracy(relu, label))


NETS = {"anonymous": anonymous, "lenet": lenet, "named": named}


def net_text(caffe, name):
    """The prototxt of one of NETS."""
    return str(NETS[name](caffe, caffe.layers, caffe.params))


if __name__ == "__main__":
    os.environ.setdefault("GLOG_minloglevel", "2")
    import caffe

    np.savez_compressed(os.path.join(sys.argv[1], "api.npz"), **record(caffe))
    for net in NETS:
        with open(os.path.join(sys.argv[1], "net_spec", net + ".prototxt"), "w") as file:
            file.write(net_text(caffe, net))
