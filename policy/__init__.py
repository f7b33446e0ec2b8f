"""What a ResourcePolicy decides: pure functions of (pod, policy, snapshot, now).

No I/O, threads, clock or logging; only the standard library, and pydantic in `resourcepolicy`. Rule ids are
those of the specification, ../docs/rules.md.

    policy       a ResourcePolicy: an ordered list of units, and when to go on to the next
    unit         a set of nodes; index 0 is filled first
    group        the pods of a policy that share the values of `matchLabelKeys`; caps apply to each
    candidate    a node that kube-scheduler asks about
    room         a candidate lies in the unit
    exhausted    a cap of the unit is reached
    open         a pod may use the unit now
    overflow     going on to the next unit
    reservation  a slot held for a pod that was sent to a unit and is not bound yet
"""
