pytest_plugins = [
    "tests.support.memory",
    "tests.support.order",
    "tests.support.redactor",
    "tests.support.servers",
]
