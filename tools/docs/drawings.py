"""The drawings of the protocol, as SVG, from a few lines of text each.

    python tools/docs/drawings.py docs/assets

Boxes stand on a grid of columns and rows; an arrow goes from box to box and may have a word beside it. What is drawn is what
ARCHITECTURE.md says: the steps have its numbers, and `tests/unit/test_docs_made.py` looks whether they stand there.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

__all__ = ["DRAWINGS", "drawn"]

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 150, 46, 46, 40, 14
FONT = "ui-sans-serif, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
FILL = {"": "#ffffff", "fast": "#d9f2ec", "slow": "#fdebd0", "end": "#e3e8f4", "note": "none"}


@dataclass(frozen=True)
class Box:
    """A box: its place (column, row; halves are allowed), its lines, its kind, how many columns wide it is."""

    x: float
    y: float
    text: str
    kind: str = ""
    wide: float = 1


@dataclass(frozen=True)
class Arrow:
    """From a side of a box to a side of another one: `a.right`, `b.left`; with a word, perhaps."""

    start: str
    end: str
    word: str = ""
    dashed: bool = False


@dataclass(frozen=True)
class Drawing:
    """All of it."""

    title: str
    boxes: dict[str, Box]
    arrows: tuple[Arrow, ...]


RECORD = Drawing(
    "The way of a record",
    {
        "emit": Box(0, 0, "handler.emit\nformat, encode"),
        "window": Box(1, 0, "lo ≤ created < due ?"),
        "append": Box(2, 0, "write(2) on O_APPEND\nno lock of ours", "fast"),
        "guard": Box(3, 0, "lseek(2): begins at\na page boundary?", "fast"),
        "done": Box(4, 0, "the call returns", "end"),
        "refresh": Box(1, 1, "slow path: what is\nthe file of now?", "slow"),
        "rotation": Box(2, 1, "rotation\nR0 … R7", "slow"),
        "deliver": Box(3, 1, "the file of the record's\nown period", "slow"),
        "backlog": Box(4, 1, "memory, in order,\nuntil the disk takes it", "note"),
    },
    (
        Arrow("emit.right", "window.left"), Arrow("window.right", "append.left", "yes"), Arrow("append.right", "guard.left"),
        Arrow("guard.right", "done.left"), Arrow("window.bottom", "refresh.top", "no"), Arrow("refresh.right", "rotation.left"),
        Arrow("rotation.right", "deliver.left"), Arrow("deliver.top", "guard.bottom"),
        Arrow("deliver.right", "backlog.left", "fails", True),
    ),
)  # fmt: skip

ROTATION = Drawing(
    "The rotation: its steps, and where they lead",
    {
        "R0": Box(0, 0, "R0 follow: has somebody\nrotated already?"),
        "open": Box(1, 0, "open that file\n(no lock)", "fast"),
        "R1": Box(0, 1, "R1 lock\nat most lock_timeout", "slow"),
        "busy": Box(1, 1, "go on with the file\nin hand, try later", "end"),
        "R2": Box(0, 2, "R2 look\nfile, state, clock", "slow"),
        "R3": Box(1, 2, "R3 decide", "slow"),
        "R4": Box(2, 1, "R4 move: rename,\nnever onto a name", "slow"),
        "adopt": Box(2, 2, "adopt: it is the\nfile of now", "slow"),
        "create": Box(2, 3, "create: there is none", "slow"),
        "R5": Box(3, 2, "R5 take\nopen, lease", "slow"),
        "R6": Box(4, 2, "R6 record\nthe new period", "slow"),
        "R7": Box(5, 2, "R7 unlock", "slow"),
    },
    (
        Arrow("R0.right", "open.left", "yes"), Arrow("R0.bottom", "R1.top", "no"), Arrow("R1.right", "busy.left", "busy"),
        Arrow("R1.bottom", "R2.top"), Arrow("R2.right", "R3.left"), Arrow("R3.right", "R4.left", "rotate"),
        Arrow("R3.right", "adopt.left"),
        Arrow("R3.right", "create.left"), Arrow("R4.right", "R5.left"), Arrow("adopt.right", "R5.left"),
        Arrow("create.right", "R5.left"),
        Arrow("R5.right", "R6.left"), Arrow("R6.right", "R7.left"), Arrow("R4.bottom", "adopt.top", "fails", True),
    ),
)  # fmt: skip

LIFE = Drawing(
    "The life of a file",
    {
        "active": Box(0, 0, "active\napp.log", "fast"),
        "closed": Box(1, 0, "closed: has its name,\nmay get late records", "slow"),
        "sealed": Box(2, 0, "sealed: exclusive lock\nhad, nobody writes", "slow"),
        "compressed": Box(3, 0, "S2 compressed\napp.log.….gz", "slow"),
        "steps": Box(4, 0, "S3 on_seal,\narchive", "slow"),
        "gone": Box(5, 0, "deleted: S4 (archived),\nor by a rule", "end"),
        "waiting": Box(1, 1, "waiting: a hidden name\n(rotator, late_grace=0)", "note"),
    },
    (
        Arrow("active.right", "closed.left", "R4"), Arrow("closed.right", "sealed.left", "grace"),
        Arrow("sealed.right", "compressed.left", "delay"),
        Arrow("compressed.right", "steps.left"), Arrow("steps.right", "gone.left"),
        Arrow("active.bottom", "waiting.left", "", True),
        Arrow("waiting.right", "sealed.bottom", "", True),
    ),
)  # fmt: skip

DRAWINGS = {"record": RECORD, "rotation": ROTATION, "life": LIFE}


def drawn(drawing: Drawing) -> str:
    """As SVG."""
    columns = max(box.x + box.wide for box in drawing.boxes.values())
    rows = max(box.y for box in drawing.boxes.values()) + 1
    width = round(2 * MARGIN + columns * (WIDTH + GAP_X) - GAP_X)
    height = round(2 * MARGIN + rows * (HEIGHT + GAP_Y) - GAP_Y)
    tip = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0,0 L8,4 L0,8 z" fill="#455a64"/></marker></defs>'
    )
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(drawing.title)}</title>",
        tip,
        f'<rect width="{width}" height="{height}" rx="8" fill="#fafafa"/>',
        *(_arrow(drawing.boxes, arrow) for arrow in drawing.arrows),
        *(_box(box) for box in drawing.boxes.values()),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _corner(box: Box) -> tuple[float, float, float]:
    x, y = MARGIN + box.x * (WIDTH + GAP_X), MARGIN + box.y * (HEIGHT + GAP_Y)
    return x, y, box.wide * (WIDTH + GAP_X) - GAP_X


def _box(box: Box) -> str:
    x, y, width = _corner(box)
    lines = box.text.split("\n")
    first = y + HEIGHT / 2 - 7 * (len(lines) - 1) + 4
    dashes = ' stroke-dasharray="4 3"' if box.kind == "note" else ""
    shape = (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{HEIGHT}" rx="5" fill="{FILL[box.kind]}" stroke="#455a64"{dashes}/>'
    )
    texts = [
        f'<text x="{x + width / 2:g}" y="{first + 14 * number:g}" text-anchor="middle" font-family="{FONT}" font-size="11.5" '
        f'fill="#1b2529">{escape(line)}</text>'
        for number, line in enumerate(lines)
    ]
    return "\n".join([shape, *texts])


def _side(boxes: dict[str, Box], place: str) -> tuple[float, float, str]:
    name, _, side = place.partition(".")
    x, y, width = _corner(boxes[name])
    at = {
        "left": (x, y + HEIGHT / 2),
        "right": (x + width, y + HEIGHT / 2),
        "top": (x + width / 2, y),
        "bottom": (x + width / 2, y + HEIGHT),
    }
    return *at[side], side


def _arrow(boxes: dict[str, Box], arrow: Arrow) -> str:
    x1, y1, from_side = _side(boxes, arrow.start)
    x2, y2, to_side = _side(boxes, arrow.end)
    if from_side in {"left", "right"} and to_side in {"left", "right"}:
        middle = x2 - GAP_X / 2
        path = f"M{x1:g},{y1:g} H{middle:g} V{y2:g} H{x2:g}" if y1 != y2 else f"M{x1:g},{y1:g} H{x2:g}"
        word_x, word_y = (middle, y2 - 5) if y1 != y2 else ((x1 + x2) / 2, y1 - 5)
    elif from_side in {"top", "bottom"} and to_side in {"top", "bottom"}:
        path = f"M{x1:g},{y1:g} V{y2:g}"
        word_x, word_y = x1 + 18, (y1 + y2) / 2 + 4
    elif from_side in {"top", "bottom"}:
        path = f"M{x1:g},{y1:g} V{y2:g} H{x2:g}"
        word_x, word_y = (x1 + x2) / 2, y2 - 5
    else:
        path = f"M{x1:g},{y1:g} H{x2:g} V{y2:g}"
        word_x, word_y = (x1 + x2) / 2, y1 - 5
    dashes = ' stroke-dasharray="4 3"' if arrow.dashed else ""
    line = f'<path d="{path}" fill="none" stroke="#455a64" marker-end="url(#tip)"{dashes}/>'
    if not arrow.word:
        return line
    return (
        f'{line}\n<text x="{word_x:g}" y="{word_y:g}" text-anchor="middle" font-family="{FONT}" font-size="10" '
        f'fill="#455a64">{escape(arrow.word)}</text>'
    )


def main() -> None:
    """Write them all."""
    folder = Path(sys.argv[1])
    for name, drawing in DRAWINGS.items():
        (folder / f"{name}.svg").write_text(drawn(drawing), encoding="utf-8")


if __name__ == "__main__":
    main()
