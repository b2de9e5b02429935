"""What is wrong with a record that could not be decoded, in words."""

from typing import Any

from algoperf_jax.data.cpu_tensorflow import import_tensorflow


def diagnosis(payload: bytes, message: str) -> str:
    """Says why a record could not be decoded.

    Args:
      payload: the record.
      message: TensorFlow's error message, for the case that nothing simpler is wrong.
    """
    features = _features(payload)
    if features is None:
        return "it is not a tf.train.Example"
    for name, kind in (("image", "bytes_list"), ("label", "int64_list")):
        if name not in features:
            return f"it has no feature {name!r}, only {', '.join(sorted(features)) or 'none'}"
        values = getattr(features[name], kind).value
        if len(values) != 1:
            return f"its feature {name!r} has {len(values)} values in its {kind}, it must have one"
    image = features["image"].bytes_list.value[0]
    if image.startswith(b"\x89PNG"):
        return "its image is a PNG file, it must be a JPEG file"
    if not image.startswith(b"\xff\xd8"):
        return f"its image is not a JPEG file; it begins with {image[:4]!r}"
    if not image.endswith(b"\xff\xd9"):
        return f"its image is a JPEG file that ends early, after {len(image)} bytes"
    reason = message.splitlines()[0].rpartition("}} ")[2]  # what comes before names the operation
    return f"its image cannot be decoded ({reason})"


def file_name(payload: bytes) -> str:
    """Returns ` (name)` of the image file that a record was made of; nothing where it has none."""
    features = _features(payload)
    if features is None or "file_name" not in features:
        return ""
    names = features["file_name"].bytes_list.value
    return f" ({names[0].decode(errors='replace')})" if names else ""


def _features(payload: bytes) -> Any:
    """Returns the record's features by name; None when it is no `tf.train.Example`."""
    tf = import_tensorflow()
    try:
        return tf.train.Example.FromString(payload).features.feature
    except Exception:  # protobuf's implementations do not agree on what they raise
        return None
