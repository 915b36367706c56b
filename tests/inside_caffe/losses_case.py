"""A short training with every shipped loss, by any module that plays `caffe`.

    PYTHON_WITH_CAFFE losses_case.py MODULE OUT.npz

with the folder of MODULE (caffekit_losses) on PYTHONPATH writes all blobs, parameters and gradients. Runs
under Python 3.9 with numpy 1.19, where real Caffe lives.
"""

import json
import sys
import tempfile

import numpy as np

LAYER = """
layer {{
  name: "{name}" type: "Python" bottom: "features" bottom: "label" top: "{name}" {more}
  python_param {{ module: "{module}" layer: "{kind}" param_str: '{options}' }}
}}
"""
SOFTMAX = """
layer {{
  name: "loss_{name}" type: "SoftmaxWithLoss" bottom: "{name}" bottom: "label" top: "loss_{name}"
  loss_weight: 0.1
}}
"""
FIXED = "param { lr_mult: 0 decay_mult: 0 }"
NET = """
force_backward: true
layer {
  name: "in" type: "Input" top: "x" top: "label"
  input_param { shape { dim: 12 dim: 4 } shape { dim: 12 } }
}
layer {
  name: "ip" type: "InnerProduct" bottom: "x" top: "features"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } }
}
"""
SOLVER = """
net: "{}/net.prototxt" base_lr: 0.05 lr_policy: "fixed" momentum: 0.9 weight_decay: 0.01 random_seed: 3
max_iter: 9
"""


def net_text(module):
    """The net: each loss with its weight, each classifier before a softmax loss."""
    layers = [NET]

    def add(kind, name, more, **options):
        text = json.dumps(options)
        layers.append(LAYER.format(kind=kind, name=name, more=more, module=module, options=text))

    for mining in ("semi-hard", "batch-hard", "batch-all"):
        more = f'top: "share_{mining}" loss_weight: 0.5 loss_weight: 0'
        add("TripletLoss", mining, more, mining=mining, margin=0.7)
    add("CenterLoss", "center", "loss_weight: 0.3 " + FIXED, classes=4)
    add("CenterLoss", "center_2", "loss_weight: 0.3 param { lr_mult: 9 }", classes=4, alpha=0)
    for margin in (1, 2, 3, 4):
        name = f"a_{margin}"
        more = f'top: "lambda_{margin}" param {{ lr_mult: 1 }} {FIXED}'
        add("ASoftmax", name, more, classes=4, margin=margin, base=9, gamma=0.5, lambda_min=2.5, seed=margin)
        layers.append(SOFTMAX.format(name=name))
    add("AMSoftmax", "am", "", classes=4)
    return "".join(layers + [SOFTMAX.format(name="am")])


def run_case(caffe, module):
    """{name: array} of a pass both ways after three iterations, and of a test net's forward pass."""
    folder = tempfile.mkdtemp()
    with open(folder + "/net.prototxt", "w") as file:
        file.write(net_text(module))
    with open(folder + "/solver.prototxt", "w") as file:
        file.write(SOLVER.format(folder))
    solver = caffe.SGDSolver(folder + "/solver.prototxt")
    test = caffe.Net(folder + "/net.prototxt", caffe.TEST)
    test.share_with(solver.net)
    random, out = np.random.RandomState(5), {}
    values = random.uniform(-2, 2, (12, 4))
    for net in (solver.net, test):
        net.blobs["x"].data[...] = values
        net.blobs["label"].data[...] = [0, 1, 2, 3, 0, 1, 2, 0, 1, 2, 0, 0]
    solver.step(3)
    solver.net.clear_param_diffs()
    solver.net.forward()
    solver.net.backward()
    test.forward()
    for name, blob in solver.net.blobs.items():
        out["data " + name], out["diff " + name] = blob.data.copy(), blob.diff.copy()
        out["test " + name] = test.blobs[name].data.copy()
    for name, blobs in solver.net.params.items():
        for i, blob in enumerate(blobs):
            out[f"param {name} {i}"] = blob.data.copy()
            out[f"param diff {name} {i}"] = blob.diff.copy()
    return out


if __name__ == "__main__":
    import caffe

    np.savez_compressed(sys.argv[2], **run_case(caffe, sys.argv[1]))
