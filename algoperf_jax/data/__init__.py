"""Input machinery that the workloads share.

batch_share.py     which part of every global batch a process builds
order.py           which example comes at which position of a stream, by arithmetic
batches.py         batches planned from positions, built ahead of use, resumed by one integer
ragged.py          arithmetic on rows of different lengths
packing.py         items of different sizes packed into fixed room: the other kind of plan
batch_cache.py     evaluation batches kept in memory, up to a bound
tfrecords.py       TFRecord files by record number
examples.py        records that are tf.train.Example messages, as columns
tfds_folder.py     folders as TensorFlow Datasets keeps them: described, checked, written
prepared_folder.py  what the kit knows of a prepared folder of whatever layout
array_folder.py    plain arrays in a folder: written in parts, checked, mapped into memory
made_once.py       folders that one process makes and the others wait for
stored.py          where a workload's prepared data lie, and what to do when they do not
preparation.py     from upstream's files to prepared data: disk, download, lock, conversion
archives.py        zip and tar files unpacked safely
download.py        downloads that can be interrupted, resumed and trusted
sentencepiece_model.py  text as ids of pieces
sample.py          embedded samples expanded into a cache
cpu_tensorflow.py  TensorFlow as a library for files, kept off the accelerators
"""
