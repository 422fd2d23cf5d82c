"""`kakeai models`: what a model store holds, and how it is set right."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cli.progress import console, plain
from kakeai import store as model_store
from kakeai.errors import KakeaiError
from kakeai.storage import location

app = typer.Typer(
    help="Look into a model store, and set it right. The newest version of a model is the one that plays.\n\n"
    "Exit status: 0 done, 2 bad input or a store of a newer Kakeai, 4 the bucket does not answer.",
    no_args_is_help=True,
)

Store = Annotated[str, typer.Option(help="The model store, a folder or gs://…")]
Model = Annotated[str, typer.Option(help="The model's name.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
By = Annotated[str, typer.Option(help="Your name, for the card.", metavar="NAME")]
Because = Annotated[str, typer.Option(help="Your reason, for the card.", metavar="REASON")]


@app.command("list")
def list_(store: Store, model: Model = "kakeai", as_json: Json = False) -> None:
    """List the versions of a model, the one that plays first.

    Example: kakeai models list --store gs://my-bucket/store
    """
    folder = location(store)
    cards = [_card(store, model, version) for version in reversed(_versions(store, model))]
    if as_json:
        _print_json(cards)
        return
    table = Table(
        "version", "released", "what", "because", "from", box=None, pad_edge=False, header_style="dim"
    )
    for number, card in enumerate(cards):
        table.add_row(
            Text(f"{card['version']}{' plays' if not number else ''}", style="bold" if not number else ""),
            str(card.get("created", ""))[:16].replace("T", " "),
            plain(_what(card)),
            plain(_why(card)),
            plain(_from(card)),
        )
    console.print(table)
    console.print(f"{len(cards)} versions of {model} in {folder}", markup=False, soft_wrap=True)


@app.command()
def show(
    store: Store,
    version: Annotated[int | None, typer.Argument(help="Which; by default the one that plays.")] = None,
    model: Model = "kakeai",
    as_json: Json = False,
) -> None:
    """Show a version's card, what its release rested on, and the versions it descends from; pruned ones, too.

    Example: kakeai models show 12 --store gs://my-bucket/store
    """
    version = version or _versions(store, model)[-1]
    card = _card(store, model, version)
    elders = list(model_store.lineage(location(store), model, version))[1:]
    if as_json:
        _print_json({**card, "elders": elders})
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim")
    table.add_column()
    corpus = card.get("corpus", {})
    for name, value in (
        ("version", f"{version} of {model}"),
        ("released", card.get("created")),
        ("what", _what(card)),
        ("because", _why(card)),
        ("hparams", card.get("hparams")),
        ("corpus", ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in corpus.items())),
        ("recipe", ", ".join(f"{name} {value}" for name, value in (card.get("recipe") or {}).items())),
        ("bundle", f"sha256 {card.get('bundle_sha256')}"),
        ("code", card.get("revision")),
    ):
        if value:
            table.add_row(name, plain(str(value)))
    for check in card.get("decision", {}).get("checks", []):
        table.add_row("✓" if check.get("passed") else "✗", plain(str(check.get("sentence", ""))))
    console.print(table)
    if elders:
        console.print("descends from", style="dim")
        for elder in elders:
            console.print(
                Text("  ") + plain(f"{elder['version']}  {str(elder.get('created', ''))[:10]}  {_why(elder)}")
            )


@app.command()
def promote(
    version: Annotated[int, typer.Argument(help="Whose weights.")],
    store: Store,
    model: Model = "kakeai",
    by: By = "",
    because: Because = "",
) -> None:
    """Release an older version's weights anew, under the next number; players get it within seconds.

    Example: kakeai models promote 11 --store gs://my-bucket/store --by Ada --because "players liked it more"
    """
    _told(model_store.promote(location(store), model, version, by, because), store, model)


@app.command()
def rollback(store: Store, model: Model = "kakeai", by: By = "", because: Because = "") -> None:
    """Release the weights that the newest version descends from anew, under the next number.

    Example: kakeai models rollback --store gs://my-bucket/store --by Ada --because "plays nothing but rests"
    """
    _told(model_store.rollback(location(store), model, by, because), store, model)


@app.command()
def prune(
    store: Store,
    model: Model = "kakeai",
    keep: Annotated[
        int, typer.Option(help="How many of the newest versions to keep, the one that plays among them.")
    ] = 10,
    pin: Annotated[
        list[int] | None, typer.Option(help="Another version to keep; may be given several times.")
    ] = None,
    models_config: Annotated[
        Path | None,
        typer.Option(
            help="A model server's --model_config_file: versions that it labels or names are kept, too."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be removed.")] = False,
) -> None:
    """Remove old versions, and what killed releases left behind; the cards stay, and with them the lineage.

    A release that is under way is left alone. In a bucket, one that was killed counts as under way for a minute.

    Example: kakeai models prune --store gs://my-bucket/store --keep 10 --pin 3
    """
    pinned = {*(pin or ()), *(_in_config(models_config, model) if models_config else ())}
    gone = model_store.prune(location(store), model, keep, pinned, dry_run)
    numbers = ", ".join(map(str, gone)) or "none"
    console.print(f"{'would go' if dry_run else 'gone'}: {numbers}", markup=False)


def _in_config(path: Path, model: str) -> set[int]:
    from serving.model_server.config import Specific, read_config_file

    served = [each for each in read_config_file(path) if each.name == model]
    if not served:
        raise KakeaiError(f"{path} does not name the model {model}; nothing was pruned")
    policy = served[0].policy
    return {*served[0].version_labels.values(), *(policy.versions if isinstance(policy, Specific) else ())}


def _versions(store: str, model: str) -> list[int]:
    there = model_store.versions(location(store), model)
    if not there:
        raise KakeaiError(
            f"the store {store} has no model {model}; `kakeai pipeline run` or `kakeai release` puts it there"
        )
    return there


def _card(store: str, model: str, version: int) -> dict[str, Any]:
    card = model_store.read_card(location(store), model, version)
    if not card and version not in _versions(store, model):
        raise KakeaiError(f"the store {store} has no version {version} of {model}")
    return {"version": version, **card}


def _told(version: int, store: str, model: str) -> None:
    card = _card(store, model, version)
    console.print(
        f"version {version} of {model} in {store} is version {card['promoted_from']}'s weights, and plays now",
        markup=False,
        soft_wrap=True,
    )


def _what(card: dict[str, Any]) -> str:
    if "config" not in card:
        return ""
    steps = f"{card.get('trained_steps', 0):,} steps"
    melodies = card.get("corpus", {}).get("num_training_melodies")
    return f"{card['config']}, {steps}" + (f", {melodies:,} melodies" if melodies else "")


def _why(card: dict[str, Any]) -> str:
    """Why a version is there: who promoted or overruled, else what the evaluation said."""
    if card.get("promoted_from"):
        who = card.get("promoted_by")
        reason = card.get("promoted_because")
        return f"promoted{f' by {who}' if who else ''}{f': {reason}' if reason else ''}"
    if overruled := card.get("overruled"):
        return f"{overruled['by']} overruled: {overruled['because']}"
    return card.get("decision", {}).get("sentence", "")


def _from(card: dict[str, Any]) -> str:
    return str(card.get("promoted_from") or card.get("parent") or "")


def _print_json(content: Any) -> None:  # noqa: ANN401
    print(json.dumps(content, indent=1))
