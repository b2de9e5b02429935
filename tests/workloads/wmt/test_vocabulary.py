"""Which text a vocabulary is trained on; the model itself has tests of its own."""

from algoperf_jax.data import sentencepiece_model
from workloads.wmt import vocabulary

SIZE = 200


def test_text_ends_with_the_pair_that_reaches_the_limit(tmp_path, monkeypatch):
    """The rule as a plain loop says it: checked before each pair, counted in bytes."""
    texts = []

    def train(lines, size, destination):
        assert (size, destination) == (SIZE, tmp_path / "model")
        texts.append(b"".join(line + b"\n" for line in lines))

    monkeypatch.setattr(sentencepiece_model, "train", train)
    pairs = [("ä" * n, "b" * (7 * n % 5)) for n in range(1, 40)]
    for limit in (1, 50, 51, 500, 10_000):
        expected = b""
        for german, english in pairs:
            if len(expected) >= limit:
                break
            expected += f"{german}\n{english}\n".encode()
        encoded = ((german.encode(), english.encode()) for german, english in pairs)
        vocabulary.train(encoded, SIZE, tmp_path / "model", text_bytes=limit)
        assert texts.pop() == expected
    assert vocabulary.TRAINING_BYTES == 10**7
