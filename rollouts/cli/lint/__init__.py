"""Checking manifests before anybody applies them.

``documents`` reads YAML and remembers where everything stands, ``schema`` says what the API server
would refuse, ``meaning`` and ``metrics`` what the controller would. ``report`` puts it together;
``command`` is the verb. No cluster is asked, and no client of one is imported.
"""
