"""Pictures of how a control law did: panels of curves over time, in one SVG file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from admission.core.errors import ConfigurationError

_WIDTH_INCHES, _PANEL_INCHES = 9.0, 2.2


class Panel(NamedTuple):
    """One picture of several, over the same seconds.

    Args:
        says: what its axis shows, with the unit.
        curves: values by name, one for each of the seconds.
        logarithmic: whether ten times as much is one step.
    """

    says: str
    curves: Mapping[str, Sequence[float]]
    logarithmic: bool = False


def draw(path: Path, title: str, seconds: Sequence[float], panels: Sequence[Panel]) -> None:
    """Draw panels one above the other into an SVG file; the folder must be there.

    Raises:
        ConfigurationError: when matplotlib is not installed, or the file cannot be written.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigurationError(['plots need matplotlib: pip install "antrean[plots]"']) from error
    # Text stays text, and the same play is the same file.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "antrean", "font.size": 9}):
        figure = Figure(figsize=(_WIDTH_INCHES, _PANEL_INCHES * len(panels) + 0.6), layout="constrained")
        figure.suptitle(title)
        for axes, panel in zip(figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0], panels, strict=True):
            for name, values in panel.curves.items():
                axes.plot(seconds, values, label=name, linewidth=1.2)
            axes.set_ylabel(panel.says)
            axes.set_yscale("log" if panel.logarithmic else "linear")
            axes.grid(alpha=0.3)
            axes.legend(loc="upper right", fontsize=8)
        axes.set_xlabel("seconds")
        try:
            figure.savefig(path, format="svg", metadata={"Date": None})
        except OSError as error:
            raise ConfigurationError([f"the plot {path} cannot be written: {error.strerror}"]) from error
