"""API groups, labels and annotations, each spelled once.

The first part is ours; the rest belongs to Kubernetes, cluster-autoscaler and Alibaba Cloud.
"""

RESOURCEPOLICY_GROUP = "scheduling.alibabacloud.com"
RESOURCEPOLICY_API = f"{RESOURCEPOLICY_GROUP}/v1alpha1"
"""ACK's own, so that its manifests work unchanged."""

PREFIX = "resourcepolicy.io/"
"""Of every label and annotation that we write."""
UNIT = f"{PREFIX}unit"
"""The unit that a pod was placed through, or that a request is for."""
HELD = f"{PREFIX}held"
REQUEUED_AT = f"{PREFIX}requeued-at"
DELETION_COST_WRITTEN = f"{PREFIX}deletion-cost"
"""The deletion cost that we wrote: another value is a user's."""
WATCHER = f"{PREFIX}watcher"
"""The reporting controller of our Events."""
REQUEST = f"{PREFIX}request"
REQUEST_POLICY = f"{PREFIX}policy"
REQUEST_PODS = f"{PREFIX}pods"
REQUEST_SHAPE = f"{PREFIX}shape"
REQUEST_SIZES = f"{PREFIX}sizes"
REQUEST_BUNDLE = f"{PREFIX}bundle"
REQUEST_GRANTED = f"{PREFIX}granted"

POD_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"

POD_SCALE_UP_DELAY = "cluster-autoscaler.kubernetes.io/pod-scale-up-delay"
AUTOSCALER_LAST_UPDATED = "cluster-autoscaler.kubernetes.io/last-updated"
PROVISIONING_API = "autoscaling.x-k8s.io/v1"
BEST_EFFORT_ATOMIC = "best-effort-atomic-scale-up.autoscaling.x-k8s.io"

ECI = "alibabacloud.com/eci"
BURST_RESOURCE = "alibabacloud.com/burst-resource"
COMPUTE_CLASS = "alibabacloud.com/compute-class"
COMPUTE_QOS = "alibabacloud.com/compute-qos"
