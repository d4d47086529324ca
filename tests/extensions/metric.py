"""A metric as a plug-in: the share of answers that are as good as an answer can be."""

from grao_ref.evaluation.metrics import Metric


def perfect(comparison):
    return ((comparison.after.rewards[comparison.scored] == 1.0).double(),)


PERFECT = Metric("perfect", "%", "share of answers with | the highest reward, %", perfect)
