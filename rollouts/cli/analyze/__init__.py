"""``analyze``: analysis templates against real metrics, now or in the past, without a cluster.

``material`` reads what is to be run, ``live`` runs it, ``screen`` shows it, ``past`` replays it
over history, ``words`` and ``report`` say what it means, ``command`` is the verb.
"""
