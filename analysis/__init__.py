"""Metric analysis: what to measure, when, and what the numbers mean.

Knows no Kubernetes client and nothing of ``rollouts``; everything in it can be used, tested and
understood without a cluster.
"""
