"""RNN and LSTM, with and without all their bottoms and tops: the nets inside; losses without a name."""

import caffe

caffe.get_solver("solver.prototxt").solve()
