"""What the models of several workloads share.

activations.py     activation functions by name
batch_norm.py      batch norm in the three modes, over a replica's batch or the global one
dropout.py         dropout whose rate may be traced
flax_functions.py  a flax module as a workload's `init` and `apply`
joined_axes.py     dense layers over all leading axes at once
loss_terms.py      `LossTerms` from single losses and weights
token_losses.py    cross entropies of tokens, without all of their logits
metrics.py         masked means, and rows collected for metrics on the host
"""
