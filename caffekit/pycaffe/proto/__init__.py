"""caffe.proto: the messages of Caffe's files."""
