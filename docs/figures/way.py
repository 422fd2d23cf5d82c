"""The way of the data and the floors of the house, as diagrams."""

from docs.figures.svg import sheet, text

STAGES = ("survey", "ingest", "convert", "train", "evaluate", "bundle", "release")
WORDS = {
    "": {
        "corpus": "MIDI files",
        "tells": (
            "what is new",
            "NoteSequences",
            "melodies",
            "weights",
            "may it go out?",
            ".mag · SavedModel",
            "a version",
        ),
        "store": "model store",
        "server": ("model server", "or TF Serving"),
        "gateway": ("gateway", "on the beat"),
        "page": ("session page", "in your browser"),
        "you": ("you", "keys and touch"),
        "summary": "MIDI files go through seven stages into the model store; the model server plays from it, and "
        "gateway and page bring it to the player",
    },
    ".ja": {
        "corpus": "MIDIファイル",
        "tells": (
            "何が新しいか",
            "NoteSequence",
            "メロディー",
            "重み",
            "出してよいか",
            ".mag · SavedModel",
            "新しい版",
        ),
        "store": "モデルの保管庫",
        "server": ("モデルサーバー", "手元／TF Serving"),
        "gateway": ("ゲートウェイ", "拍に合わせて"),
        "page": ("弾くページ", "ブラウザーの中"),
        "you": ("あなた", "鍵盤・マウス・指"),
        "summary": "MIDIファイルは七つの工程を通って保管庫へ。そこからサーバー、ゲートウェイ、ページを通って弾く人へ",
    },
}
BOX_WIDTH, BOX_HEIGHT, GAP = 134, 52, 18


def way(language: str) -> str:
    """Return the way of the data; `language` is a key of WORDS."""
    words = WORDS[language]
    parts = [_box(16, 20, words["corpus"], "", "player")]
    x, turn = 16.0, 16.0 + 7 * (BOX_WIDTH + GAP)
    for stage, tells in zip(STAGES, words["tells"], strict=True):
        parts.append(_arrow(x + BOX_WIDTH, 46, x + BOX_WIDTH + GAP, 46))
        x += BOX_WIDTH + GAP
        parts.append(_box(x, 20, stage, tells))
    parts.append(_arrow(turn + BOX_WIDTH / 2, 72, turn + BOX_WIDTH / 2, 112))
    parts.append(_box(turn, 112, words["store"], "", "kakeai"))
    x = turn
    for name in ("server", "gateway", "page", "you"):
        step = 1.5 * (BOX_WIDTH + GAP)
        parts.append(_arrow(x, 138, x - step + BOX_WIDTH, 138, both=name != "server"))
        x -= step
        parts.append(_box(x, 112, *words[name], *(("player",) if name == "you" else ())))
    return sheet(turn + BOX_WIDTH + 16, 184, words["summary"], parts)


def house() -> str:
    """Return the floors of the house and who may look down on whom."""
    floors = (
        ("cli", "the kakeai command", "serving.gateway", "HTTP and WebSocket in, gRPC out"),
        ("pipelines", "the DAG, and ways to run it", "serving.model_server", "any SavedModel, no music"),
        ("components", "a Kubeflow component a stage", "serving.web", "the session page"),
        ("kakeai.stages", "the stages as functions", "kakeai.judging, .corpus, …", "what the stages use"),
        ("kakeai.model", "TensorFlow, Keras, Magenta", "kakeai.protos", "generated messages"),
        ("kakeai.music", "NumPy alone", "kakeai.storage, .store", "folders and buckets"),
    )
    parts = []
    for row, (name, tells, beside, beside_tells) in enumerate(floors):
        y = 16 + row * 74
        parts += [_wide(16, y, name, tells), _wide(420, y, beside, beside_tells)]
        if row:
            parts.append(_arrow(176, y - 22, 176, y))
    # To the right: cli starts both servers, the stages start the model server, the gateway uses music alone.
    parts += [
        _arrow(336, 34, 420, 34),
        _arrow(336, 50, 420, 104),
        _arrow(336, 250, 420, 128),
        '<path class="arrow" d="M740 42h24v334H378v36H336"/><path class="head" d="M336 412l9-4v8z"/>',
    ]
    return sheet(
        784,
        466,
        "Six floors: cli, pipelines, components, kakeai.stages, kakeai.model, kakeai.music; each may use those below",
        parts,
    )


def _box(x: float, y: float, name: str, tells: str, kind: str = "") -> str:
    stripe = (
        f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{BOX_WIDTH}" height="5" rx="2"/>' if kind else ""
    )
    middle = x + BOX_WIDTH / 2
    below = text(middle, y + 41, tells, "soft", "middle") if tells else ""
    return (
        f'<rect class="box" x="{x:g}" y="{y:g}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>{stripe}'
        + text(middle, y + (22 if tells else 31), name, "strong", "middle")
        + below
    )


def _wide(x: float, y: float, name: str, tells: str) -> str:
    return (
        f'<rect class="box" x="{x:g}" y="{y:g}" width="320" height="52" rx="6"/>'
        + text(x + 16, y + 22, name, "strong")
        + text(x + 16, y + 41, tells, "soft")
    )


def _arrow(x1: float, y1: float, x2: float, y2: float, both: bool = False) -> str:
    marks = [_head(x1, y1, x2, y2)] + ([_head(x2, y2, x1, y1)] if both else [])
    return f'<path class="arrow" d="M{x1:g} {y1:g}L{x2:g} {y2:g}"/>' + "".join(marks)


def _head(x1: float, y1: float, x2: float, y2: float) -> str:
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
    dx, dy = (x2 - x1) / length, (y2 - y1) / length
    left = f"{x2 - 8 * dx - 4 * dy:.1f} {y2 - 8 * dy + 4 * dx:.1f}"
    right = f"{x2 - 8 * dx + 4 * dy:.1f} {y2 - 8 * dy - 4 * dx:.1f}"
    return f'<path class="head" d="M{x2:g} {y2:g}L{left}L{right}z"/>'
