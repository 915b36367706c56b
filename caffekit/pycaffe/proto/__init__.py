"""caffe.proto: the messages of Caffe's files."""

from caffekit.pycaffe.proto import caffe_pb2 as caffe_pb2
