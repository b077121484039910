import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file


@pytest.mark.slow
def test_two_processes_reach_the_same_as_one(tiny, tmp_path):
    chosen = tiny.params(epochs=3, batch_size=20, gradient_clip=0.5, device="auto")
    expected = tiny.run(chosen, kind=tiny.Plain, label="killed")
    done = subprocess.run(
        [
            # With --cpu Accelerate 1.15 starts one process, whatever --num_processes says.
            *(sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"),
            *("--num_processes", "2", "--num_machines", "1"),
            *("--mixed_precision", "no", "--dynamo_backend", "no"),
            *("--main_process_port", "0", "--num_cpu_threads_per_process", "1"),
            *(tiny.__file__, str(tmp_path / "result"), chosen.model_dump_json()),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    weights = [load_file(tmp_path / f"result.{rank}") for rank in range(2)]
    told = [json.loads((tmp_path / f"result.{rank}.json").read_text()) for rank in range(2)]
    assert told[1]["device"] == "cpu (process 2 of 2 under accelerate launch)"
    for name, tensor in expected.network.state_dict().items():
        assert torch.equal(weights[0][name], weights[1][name])
        # The last batch of an epoch is 16 rows in both cases; only the order of sums differs.
        torch.testing.assert_close(weights[0][name], tensor, rtol=1e-3, atol=1e-4)
    assert told[0]["history"] == told[1]["history"]
    for column in ("train_loss", "valid_loss", "valid_accuracy"):
        assert told[0]["history"][column] == pytest.approx(
            expected.history[column].tolist(), rel=1e-3
        )
