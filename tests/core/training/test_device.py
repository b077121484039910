import pytest
import torch

from crisol.core.training.device import choose_device


def test_auto_says_why():
    choice = choose_device("auto")
    assert choice.reason.startswith("auto: ")
    assert torch.zeros(1, device=choice.device).sum() == 0


@pytest.mark.parametrize("name", ["cuda:99", "gpu", "meta", "", "cpu0"])
def test_a_device_that_is_not_there_is_an_error_not_a_fallback(name):
    with pytest.raises(ValueError, match=f"device: '{name}' is .*use auto"):
        choose_device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_an_absent_gpu_is_named():
    with pytest.raises(ValueError, match="'cuda' is absent, this machine has 0 CUDA devices"):
        choose_device("cuda")
