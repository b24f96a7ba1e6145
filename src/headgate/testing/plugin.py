"""The pytest plugin that `pip install headgate` registers: the fixture `headgate_gateway`."""
