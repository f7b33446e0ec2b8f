"""What a ResourcePolicy decides: pure functions of (pod, policy, snapshot, now).

No I/O, threads, clock or logging; only the standard library, and pydantic in `policy.api.resourcepolicy`.
Rule ids (M1, O5, ...) are those of the specification, docs/rules.md.

The ResourcePolicy

    policy       a ResourcePolicy: an ordered list of units, and when to go on to the next
    unit         a set of nodes, chosen by labels and kind; index 0 is filled first
    govern       a policy governs the pods of its namespace that its selector matches; one policy per pod
    group        the pods of a policy that share the values of `matchLabelKeys`; caps apply to each group
    cap          `max` pods or `maxResources` of a unit, per group
    usage        the pods and requests counted against a cap

Scheduling, as in kube-scheduler

    assume       count a pod in the unit that it is sent to, before it is bound
    reservation  the slot of an assumed pod; it expires
    snapshot     the cluster at one moment, as decisions read it: nodes, pods, reservations, usage
    candidate    a node that kube-scheduler asks about
    room         a candidate lies in the unit
    exhausted    a cap of the unit is reached
    open         a pod may use the unit now
    overflow     going on to the next unit
    history      what earlier decisions leave for the next one about the same pod: timers and refusals
    requeue      have kube-scheduler try a refused pod again

Scaling up, as in Karpenter and cluster-autoscaler

    demand       nodes needed in one unit, for pods of one shape
    shape        what a pod needs of a node: requests, node selector, affinity, tolerations
    provision    add nodes; only units that wait for nodes are provisioned
    in-flight    requested or on its way, but not ready: a node, or a binding
    back-off     the time in which a unit that could not grow is not tried again
"""
