"""The controller: loads and checks configuration, publishes snapshots, answers the admin address."""
