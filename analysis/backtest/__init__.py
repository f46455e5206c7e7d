"""Past data, judged by the same engine as today's.

``window`` says which hypothetical releases are looked at, ``query`` what a query may be asked in
bulk, ``server`` fetches, ``history`` remembers, ``replay`` runs each release in virtual time.
"""
