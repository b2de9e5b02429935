"""BLEU of translations (Papineni et al. 2002), counted by sacreBLEU."""

import math
from collections.abc import Sequence

LN_OF_ZERO = -9_999_999_999.0
"""What the published score takes as the logarithm of a precision of 0."""


def bleu_scores(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Computes the corpus BLEU of translations, with tokenizer 13a, case-sensitive.

    The counts are those of sacreBLEU (Post 2018, arXiv:1804.08771).

    Args:
      hypotheses: the translations.
      references: one for each.

    Returns:
      `bleu`, as the benchmark's targets mean it (sacreBLEU 1.3.1 with exponential smoothing), and
      `bleu_sacrebleu`, the score of the installed sacreBLEU; in per cent. They differ only where
      nothing matches at all: the latter is 0 then, the former small and positive. Both are 0
      without any hypothesis.

    Raises:
      ValueError: there are not as many references as hypotheses.
    """
    from sacrebleu.metrics import BLEU

    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses, {len(references)} references")
    if not hypotheses:
        return {"bleu": 0.0, "bleu_sacrebleu": 0.0}
    metric = BLEU(tokenize="13a", smooth_method="exp", force=True)
    score = metric.corpus_score(list(hypotheses), [list(references)])
    return {
        "bleu": published_bleu(score.counts, score.totals, score.sys_len, score.ref_len),
        "bleu_sacrebleu": score.score,
    }


def published_bleu(
    matches: Sequence[int], totals: Sequence[int], hypothesis_length: int, reference_length: int
) -> float:
    """BLEU from its statistics, in per cent.

    Args:
      matches, totals: of n-grams for n from 1 to 4: those found in the reference, and all.
      hypothesis_length, reference_length: tokens in all.
    """
    precisions = [0.0] * len(totals)
    smoothing = 1.0
    for n, (match, total) in enumerate(zip(matches, totals, strict=True)):
        if total == 0:
            break
        if match == 0:
            smoothing *= 2
            precisions[n] = 100 / (smoothing * total)
        else:
            precisions[n] = 100 * match / total
    logs = [math.log(p) if p > 0 else LN_OF_ZERO for p in precisions]
    return _brevity(hypothesis_length, reference_length) * math.exp(sum(logs) / len(logs))


def _brevity(hypothesis_length: int, reference_length: int) -> float:
    """The factor below 1 for translations that are too short."""
    if hypothesis_length >= reference_length:
        return 1.0
    return math.exp(1 - reference_length / hypothesis_length) if hypothesis_length else 0.0
