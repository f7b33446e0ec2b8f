"""Rounds of scale-in with random timing, on real parts: do the last unit's pods go first (L2)?"""
