"""Where inside a network the time goes: every layer of a timed case, forward and backward.

`phases` says how a layer's figures are named in a record and needs no torch; the rest runs in a child.
"""
