"""A Prometheus-compatible query endpoint for the sandbox: real PromQL, a stated subset.

Everything parses that the promql-parser library accepts. Evaluated are: selectors with all four
matchers, ``offset`` and ``@``; range selectors with rate, increase, irate, delta, idelta, changes,
resets and sum/avg/min/max/count/last/present_over_time; the aggregations sum, avg, min, max, count,
group, quantile, topk and bottomk, ``by`` and ``without``; arithmetic, comparison (``bool``) and set
operators with ``on``, ``ignoring``, ``group_left`` and ``group_right``; histogram_quantile,
label_replace, absent, scalar, vector, time, sort, sort_desc, round, clamp, clamp_min, clamp_max,
abs, ceil, floor, exp, sqrt, ln, log2, log10 and sgn. The rest, subqueries and native histograms
among it, is refused with Prometheus's own error shape. Ranges are left-open, as since Prometheus 3.
"""
