"""A Prometheus in memory: values by query, series and second."""

from analysis.providers.base import Answer, ProviderError, Question
from analysis.providers.prometheus import read_value


class MemoryServer:
    """``value(series, moment)``: text, or None where there is no sample.

    ``most``: points of one series it answers with at once.
    """

    def __init__(
        self, value, series=("a",), *, scalar=False, most=11_000, says="execution: too many samples"
    ):
        self.value, self.series, self.scalar, self.most = value, series, scalar, most
        self.says = says
        self.ranges = []
        self.instants = []

    async def range(self, _config, start, end, step):
        points = (end - start) // step + 1
        self.ranges.append(points)
        if points > self.most:
            raise ProviderError(self.says)
        found = []
        for name in self.series:
            moments = range(start, end + 1, step)
            values = [[t, v] for t in moments if (v := self.value(name, t)) is not None]
            if values:
                found.append({"metric": {"name": name}, "values": values})
        return found

    async def instant(self, _config, moment):
        self.instants.append(moment)
        return self.at(moment)

    def at(self, moment):
        if self.scalar:
            return [moment, self.value(self.series[0], moment)]
        values = {name: self.value(name, moment) for name in self.series}
        return [{"metric": {"name": n}, "value": [moment, v]} for n, v in values.items() if v]


class DirectSource:
    """What a live metric would have seen: every instant asked by itself."""

    def __init__(self, server, now):
        self.server, self.now = server, now

    def question(self, metric):
        return Question(metric.provider.prometheus.query)

    async def ask(self, _run, _metric, _question):
        kind = "scalar" if self.server.scalar else "vector"
        return Answer(*read_value(kind, self.server.at(int(self.now()))))

    def metadata(self, metric):
        return {"ResolvedPrometheusQuery": metric.provider.prometheus.query}
