import pytest

from runbook_lib.errors import ConfigError
from runbook_lib.notebook.session import check_parameters

DECLARED = 'env = "dev"\nrelease: str = ""'


def test_a_misspelt_parameter_is_named_with_the_likely_one() -> None:
    with pytest.raises(ConfigError, match=r"no parameter 'evn'\. Did you mean 'env'\?"):
        check_parameters(["", DECLARED, '# Parameters\nevn = "prod"\n'])


def test_an_unlike_parameter_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"The parameters are: env, release\."):
        check_parameters([DECLARED, "# Parameters\nzzzzzz = 1\n"])


@pytest.mark.parametrize(
    "cells",
    [[], [DECLARED], [DECLARED, '# Parameters\nenv = "prod"\nrelease = "x"\n'], ["%matplotlib"]],
)
def test_known_parameters_pass(cells: list[str]) -> None:
    check_parameters(cells)


def test_what_is_assigned_later_does_not_make_a_parameter_known() -> None:
    with pytest.raises(ConfigError):
        check_parameters([DECLARED, "# Parameters\nrun = 1\n", "run = 2"])
