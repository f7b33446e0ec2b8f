"""Rounds of scale-in with random timing, on real parts: do the last unit's pods go first (L2)?

Owns: playing the rounds, and the cause of each exception, from what was logged and how the pods looked at
that moment.
"""
