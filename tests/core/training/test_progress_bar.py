import io
import logging
import subprocess
import sys

from crisol.core.training import progress_bar


def test_a_terminal_gets_a_bar_and_no_lines(tiny, monkeypatch, caplog):
    written = io.StringIO()
    written.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", written)
    with caplog.at_level(logging.INFO):
        tiny.run(tiny.params(epochs=2), label="fold0")
    assert "fold0" in written.getvalue()
    assert "/12" in written.getvalue()
    assert [record.message.split(" ")[1] for record in caplog.records] == ["begins", "2"]


def test_elsewhere_there_is_a_line_now_and_then(tiny, monkeypatch, caplog):
    monkeypatch.setattr(progress_bar, "LINE_EVERY_S", 0.0)
    with caplog.at_level(logging.INFO):
        tiny.run(tiny.params(epochs=2, log_every_steps=3), label="fold0")
    lines = [record.message for record in caplog.records]
    assert lines[0] == "fold0: begins on cpu (asked for)"
    assert lines[1].startswith("fold0: epoch 1 of 2, 25 % of the batches, loss ")
    assert lines[3].startswith("fold0: epoch 1 of 2, 50 % of the batches, train_loss ")
    assert lines[-1].startswith("fold0: 2 epochs, best ")


def test_a_short_training_in_ci_has_two_lines(tiny, caplog):
    with caplog.at_level(logging.INFO):
        tiny.run(tiny.params(epochs=2))
    assert len(caplog.records) == 2


def test_parameters_load_no_torch():
    # Kedro imports every family's parameters before it knows what to run.
    code = "import sys, crisol.core.training.loop_params; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
