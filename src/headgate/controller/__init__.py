"""The controller: loads and checks configuration, publishes snapshots, answers the admin address."""

# Modules that are imported only when they are needed; before rights are given up, all of them are.
LATER = (
    "aiodns",
    "headgate.controller.admin",
    "headgate.controller.api.parts",
    "headgate.controller.api.view",
    "headgate.controller.certificates.furnishing",
    "headgate.controller.certificates.watching",
    "headgate.core.routing",
    "headgate.observe.metrics",
)
