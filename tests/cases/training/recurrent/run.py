"""RNN and LSTM, with and without all their bottoms and tops: the nets they are inside; losses without a name."""

import caffe

caffe.get_solver("solver.prototxt").solve()
