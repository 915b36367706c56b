"""The messages of caffe.proto under the name that pycaffe scripts import them by."""

from caffekit.formats.caffe_pb2 import *  # noqa: F403
