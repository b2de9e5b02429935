"""What `scripts/benchmark.py` measures of the LibriSpeech workloads.

Each module but the last compares a part with the plain form that the benchmark's specification
gives it; see `workloads.comparison`.

ctc.py         the loss and its gradient, beside optax's
framing.py     the front-end, beside frames made by a convolution
lstm.py        a recurrent layer and its gradient, beside flax's cell step by step
buckets.py     evaluation with batches as short as their utterances, beside full ones
throughput.py  utterances read into batches
"""
