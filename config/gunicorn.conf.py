"""gunicorn for the extender, read by `resourcepolicy serve`; extender/http/gunicorn_app.py fixes the rest."""

# Above the 90 s after which kube-scheduler closes an idle connection: it must be the one that closes, or a
# request meets a closing socket and costs a scheduling attempt (E10).
keepalive = 120

# A busy connection keeps its thread, in half of them at most; the other half is for probes and scrapes. More
# do not make it faster: one lock decides.
threads = 8

# A worker that has not come back to its main loop for so long is killed. Slow requests do not count; a stuck
# process does.
timeout = 30

# Time for answers under way when the server is told to stop. kube-scheduler waits 2 s at most.
graceful_timeout = 5

# The heartbeat touches a file: not on a disk.
worker_tmp_dir = "/dev/shm"  # noqa: S108  a tmpfs, and only gunicorn's own file

# A restart lists the whole cluster again: never by count.
max_requests = 0

# kube-scheduler's calls are logged by the extender itself, with the pod and the outcome.
accesslog = None
errorlog = "-"
loglevel = "info"

# It writes below HOME and adds a thread to the master before the fork.
control_socket_disable = True
