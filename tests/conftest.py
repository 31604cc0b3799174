pytest_plugins = ["tests.support.memory", "tests.support.order", "tests.support.servers"]
