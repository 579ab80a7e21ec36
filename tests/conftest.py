"""What every test shares: properties are tested on the same examples each time; where torch is."""

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--torch-device", metavar="D", default="cpu", help="where torch computes unless a test says"
    )


def pytest_configure(config: pytest.Config) -> None:
    """`--torch-device cuda` holds a GPU to what every test asks of torch."""
    device = config.getoption("--torch-device")
    if device != "cpu":
        from specc.backends.torch import How, compile

        for function in (compile, How.__init__):
            defaults = function.__kwdefaults__ or {}
            assert defaults["device"] == "cpu"
            defaults["device"] = device
