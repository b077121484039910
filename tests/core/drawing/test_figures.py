import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from crisol.core.classification import reliability_bins
from crisol.core.drawing import figures

RANDOM = np.random.default_rng(0)


def history(label="fold0", epochs=6):
    falling = 1 / np.arange(1, epochs + 1)
    return pd.DataFrame(
        {
            "label": label,
            "epoch": np.arange(1, epochs + 1),
            "train_loss": falling,
            "valid_loss": falling[::-1] + falling,
        }
    )


def truth_and_probabilities():
    p = RANDOM.dirichlet([2, 2, 2], 500)
    return RANDOM.integers(0, 3, 500), p


DAYS = pd.date_range("2021-01-01", periods=50, freq="D").to_numpy()
EVERY = {
    "learning_curves": lambda: figures.learning_curves(history()),
    "learning_curves of several": lambda: figures.learning_curves(
        pd.concat([history("a"), history("b", 9), history("c", 1)])
    ),
    "learning_curves of one epoch": lambda: figures.learning_curves(history(epochs=1)),
    "confusion": lambda: figures.confusion([[5, 1], [0, 0]], ["sell", "buy"]),
    "confusion of many": lambda: figures.confusion(np.eye(30), [f"class {i}" for i in range(30)]),
    "reliability": lambda: figures.reliability(
        {"raw": reliability_bins(*truth_and_probabilities())}
    ),
    "equity_curve": lambda: figures.equity_curve(
        DAYS, {"a": np.linspace(1, 2, 50), "b": np.ones(50)}, subtitle="5 basis points a trade"
    ),
    "equity_curve by number": lambda: figures.equity_curve(range(3), {"a": [1, 0.5, 0.6]}),
    "attention_heatmap": lambda: figures.attention_heatmap(np.full((2, 60), 1 / 60), ["a", "b"]),
    "bars": lambda: figures.bars(
        {"a": 0.5, "b": -0.2},
        title="Score",
        x="score",
        intervals={"a": (0.4, 0.6), "b": (-0.3, -0.1)},
        highlight=["a"],
        reference=0.1,
    ),
    "lines": lambda: figures.lines(
        {"a": ([1, 10, 100], [0.1, 0.5, 1.0]), "b": ([1, 100], [0.0, 0.3])},
        title="Share",
        x="rank",
        y="share",
        subtitle="of all",
        logarithmic="x",
        percent="y",
        point_names={"a": ["low", "middle", "high"]},
    ),
    "scatter by group": lambda: figures.scatter(
        RANDOM.normal(size=(60, 2)), title="Map", groups=[f"g{i % 11}" for i in range(60)]
    ),
    "scatter by value": lambda: figures.scatter(
        RANDOM.normal(size=(60, 2)), title="Map", values=np.arange(60), value_name="rank"
    ),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_figure_renders_with_title_and_axis_names_and_leaves_no_trace(name):
    before = dict(mpl.rcParams)
    figure = EVERY[name]()
    assert isinstance(figure, Figure)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    assert len(picture.getvalue()) > 5_000
    axes = figure.axes
    assert any(a.get_title(loc="left").strip() for a in axes)
    assert any(a.get_xlabel() for a in axes)
    assert dict(mpl.rcParams) == before
    pyplot = __import__("sys").modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_the_best_epoch_is_marked():
    figure = figures.learning_curves(history())
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["training", "validation", f"best {history()['valid_loss'].min():.4g}"]


def test_confusion_shows_shares_of_the_true_class():
    figure = figures.confusion([[3, 1], [0, 2]], ["no", "yes"])
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "75%\n3",
        "25%\n1",
        "0%\n0",
        "100%\n2",
    ]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: figures.learning_curves(history(), value="f1"), "neither train_f1 nor valid_f1"),
        (lambda: figures.confusion(np.eye(3), ["a"]), "does not fit 1 labels"),
        (lambda: figures.attention_heatmap(np.eye(3), ["a"]), "does not fit 1 rows"),
        (
            lambda: figures.attention_heatmap(np.eye(2), ["a", "b"], mean=[1.0]),
            "does not fit 2 columns",
        ),
        (lambda: figures.scatter(np.eye(3), title="", groups="abc"), "is not"),
        (lambda: figures.scatter(np.eye(2), title=""), "give groups or values"),
        (
            lambda: figures.lines({str(i): ([0], [0]) for i in range(9)}, title="", x="", y=""),
            "cannot be told apart",
        ),
    ],
)
def test_wrong_shapes_are_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_the_reference_of_bars_does_not_touch_the_title():
    figure = figures.bars(
        {"a": 0.6, "b": 0.2}, title="A title of some length", x="x", reference=0.33
    )
    FigureCanvasAgg(figure).draw()
    [axes] = figure.axes
    title = axes.title if axes.title.get_text() else axes._left_title
    [label] = [text for text in axes.texts if text.get_text() == "chance"]
    assert not title.get_window_extent().overlaps(label.get_window_extent())


def test_bars_write_no_minus_before_a_zero():
    figure = figures.bars({"a": 0.5, "b": -0.0002, "c": -0.002}, title="Bars", x="x")
    assert [text.get_text() for text in figure.axes[0].texts] == ["0.500", "0.000", "-0.002"]


def test_small_groups_of_a_scatter_share_a_colour():
    groups = [f"g{i}" for i in range(11)] + ["g0"] * 5
    figure = figures.scatter(np.zeros((16, 2)), title="Map", groups=groups)
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels[0] == "g0"
    assert labels[-1] == "4 others"
    assert sum(len(c.get_offsets()) for c in figure.axes[0].collections) == 16
