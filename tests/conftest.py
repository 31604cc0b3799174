pytest_plugins = ["tests.support.memory", "tests.support.servers"]
