"""The command ``qmis``: results on standard output, everything else on standard error.

Exit status: 0 done; 1 a claim failed; 2 bad input, with one line on standard error; 130 interrupted; 141
nobody reads the output any more. Whatever takes long to import is imported inside the commands.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from qmis_stats import __version__
from qmis_stats.errors import DomainWarning, InputError, QmisError, did_you_mean, no_file, short, with_options
from qmis_stats.reporting.progress import steps, time_shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qmis_stats.audit.data import Dataset
    from qmis_stats.reporting.tables import Table
    from qmis_stats.sweep import Progress, Store

__all__ = ["cli", "main"]

_CLAIM_FAILED = 1
_BAD_INPUT = 2
_INTERRUPTED = 130
_BROKEN_PIPE = 141
_PLOTS = (".png", ".svg", ".pdf")
_ARGUMENTS = {"no_header": "header", "no_axis_check": "check_axes"}
"""What functions call the options that switch something off."""

_FUNCTIONS = {"mis": "evaluate", "leakage": "audit"}
"""Commands that answer what these functions of the package do."""
_NUMBERS = {"integer": "an integer", "float": "a number"}
"""What options of each of click's types of number allow."""


class _Stop(Exception):  # noqa: N818  (ends the command; not always for an error)
    """Ends the command with an exit status and at most one line."""

    def __init__(self, status: int, line: str = "") -> None:
        super().__init__(line)
        self.status = status


class _Command(click.Command):
    """A command in whose messages arguments of functions have the names of its options."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for parameter in self.params:
            if parameter.type.name in _NUMBERS:
                parameter.type = _Number(parameter.type)

    @property
    def options(self) -> dict[str, str]:
        """Options by the arguments of functions that they are."""
        names = {str(p.name): p.opts[0] for p in self.params if isinstance(p, click.Option)}
        found = {_ARGUMENTS.get(name, name): option for name, option in names.items()}
        return found | ({"quantizer": found["quantizers"]} if "quantizers" in found else {})

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; ``level = 95`` of a function is ``--level = 95`` here, ``header=False`` ``--no-header``."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            from qmis_stats.experiment.refusal import ExperimentError

            option, line = self.options.get(error.field, error.field), str(error)
            if line.startswith(f"{error.field} = "):
                line = option + line.removeprefix(error.field)
            if not isinstance(error, ExperimentError):  # entries of files are shown as they are there
                line = line.replace(short(error.value), _plain(error.value))
            line = with_options(line, self.options)
            raise InputError(option, error.value, error.allowed, line=line) from error.__cause__


def _plain(value: object) -> str:
    """Return lists and dictionaries of texts without their brackets, other values as messages show them."""
    if isinstance(value, dict):
        return short(", ".join(f"{name}: {one}" for name, one in value.items()))[1:-1]
    if isinstance(value, (list, tuple)) and value and all(isinstance(one, str) for one in value):
        return repr(short(", ".join(value))[1:-1])
    return short(value)


class _OneLineGroup(click.Group):
    """A group of commands whose every failure is one line on standard error and an exit status."""

    command_class = _Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the command that does what a function of Python is called for."""
        if args[0] in _FUNCTIONS:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {_FUNCTIONS[args[0]]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, each with its whole first sentence."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self.commands[name].get_short_help_str(limit=1000)) for name in self.list_commands(ctx)]
            )

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and exit."""
        try:
            status = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except _Stop as stop:
            _complain(str(stop))
            status = stop.status
        except click.ClickException as error:
            context = error.ctx if isinstance(error, click.UsageError) else None
            _complain(f"{error.format_message()} See '{context.command_path if context else 'qmis'} --help'.")
            status = _BAD_INPUT
        if standalone_mode:
            sys.exit(status or 0)
        return status

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what it may raise becomes an exit status."""
        try:
            status = super().invoke(ctx)
            sys.stdout.flush()
        except QmisError as error:
            raise _Stop(_BAD_INPUT, str(error)) from None
        except ArithmeticError as error:
            raise _Stop(_BAD_INPUT, f"out of the range of floating-point numbers: {error}") from None
        except MemoryError as error:
            raise _Stop(_BAD_INPUT, f"out of memory: {str(error) or 'ask for a smaller problem'}") from None
        except KeyboardInterrupt as stop:
            said = "; ".join(getattr(stop, "__notes__", ()))
            raise _Stop(_INTERRUPTED, f"interrupted: {said}" if said else "interrupted") from None
        except BrokenPipeError:
            # Python would complain once more when it flushes standard output at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise _Stop(_BROKEN_PIPE) from None
        except OSError as error:
            raise _Stop(_BAD_INPUT, str(error)) from None
        return status


class _Choice(click.Choice[str]):
    """One of a few words, which completion offers; another is refused as every other value is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the word."""
        if value not in self.choices:
            allowed = f"one of {', '.join(self.choices)}{did_you_mean(value, self.choices)}"
            raise InputError(_label(param, ctx), value, allowed)
        return value


class _Number(click.ParamType[Any]):
    """An integer or a number of click's, refused as every other value is."""

    def __init__(self, plain: click.ParamType[Any]) -> None:
        self.plain, self.name = plain, plain.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        try:
            return self.plain.convert(value, param, ctx)
        except click.BadParameter:
            raise InputError(_label(param, ctx), value, _NUMBERS[self.name]) from None


class _Known(click.ParamType[str]):
    """A name that the package knows, such as a claim's; completion offers all, and the command says what is wrong.

    Parameters
    ----------
    names : callable
        Returns them; called for completion alone, because it may import much.
    """

    name = "name"

    def __init__(self, names: Callable[[], Iterable[str]]) -> None:
        self.names = names

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the names that begin so."""
        return [CompletionItem(name) for name in self.names() if name.lower().startswith(incomplete.lower())]


class _Path(click.Path):
    """A file or folder, which an empty text does not name."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if value == "":
            raise InputError(_label(param, ctx), value, "a name, which is not empty")
        return super().convert(value, param, ctx)


def _label(param: click.Parameter | None, ctx: click.Context | None) -> str:
    """Return what a user calls a parameter."""
    assert param is not None
    assert ctx is not None
    return param.opts[0] if isinstance(param, click.Option) else param.make_metavar(ctx)


def _statements() -> Iterable[str]:
    from qmis_stats.verify.statements import STATEMENTS

    return STATEMENTS


def _figures() -> Iterable[str]:
    from paper_figures import FIGURES

    return FIGURES


def _claims() -> Iterable[str]:
    from qmis_stats.verify.registry import CLAIMS

    return [claim.key for claim in CLAIMS]


@contextlib.contextmanager
def _if_interrupted(line: str) -> Iterator[None]:
    """Add how to go on to an interruption, after what the library says is done."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(line)
        raise


def _complain(line: str) -> None:
    if line:
        click.echo(" ".join(line.split()), err=True)


@contextlib.contextmanager
def _warnings_as_lines(shown: bool = False) -> Iterator[None]:
    """Print each warning as one line on standard error, after the work is done; none when it fails.

    With ``shown``, what is said of domains is left to the table, which marks its rows.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DomainWarning)
        yield
    said = [warning for warning in caught if not (shown and issubclass(warning.category, DomainWarning))]
    for line in dict.fromkeys(f"warning: {warning.message}" for warning in said):
        _complain(line)


def _print_tables(tables: Sequence[Table], remarks: Sequence[str] = (), names: int = 1) -> None:
    from qmis_stats.display import print_to_stdout, printed

    print_to_stdout(printed(tables, remarks, names))


def _print_json(data: Any) -> None:
    from qmis_stats.json_values import json_text

    click.echo(json_text(data, indent=2, ensure_ascii=True), nl=False)


@click.group(cls=_OneLineGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Membership inference security of quantized models."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@cli.command()
@click.argument("file", type=_Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(file: Path, as_json: bool) -> None:
    """Compute 1 - MIS for the experiment in FILE (TOML)."""
    with _warnings_as_lines(shown=not as_json), _if_interrupted("nothing is kept of this command"):
        from qmis_stats.experiment import load_experiment, run_experiment

        outcome = run_experiment(load_experiment(file))
    if as_json:
        _print_json(outcome.to_dict())
    else:
        _print_tables(outcome.tables(), outcome.remarks())


@cli.command()
@click.argument("statements", metavar="[STATEMENT]...", nargs=-1, type=_Known(_statements))
@click.option("--claim", "keys", metavar="KEY", multiple=True, type=_Known(_claims), help="Check it; may be repeated.")
@click.option("--list", "listed", is_flag=True, help="List the claims and check none.")
@click.option("--seed", default=2026, show_default=True, help="Two runs with one seed give the same report.")
@click.option("--quick", is_flag=True, help="Smaller samples, in less than half the time.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--out", type=_Path(), help="Folder for report.json and report.html.")
def verify(
    statements: tuple[str, ...],
    keys: tuple[str, ...],
    listed: bool,
    seed: int,
    quick: bool,
    as_json: bool,
    out: Path | None,
) -> int:
    """Check the theorems; exit status 1 when a claim fails.

    All of them, or those of each STATEMENT (S1 to S19) and each --claim.
    """
    from qmis_stats.verify.registry import chosen_claims

    claims = chosen_claims(statements, keys)
    if listed:
        if as_json:
            _print_json([{"key": c.key, "statement": c.statement, "title": c.title} for c in claims])
        else:
            from qmis_stats.verify.verification import claims_table

            _print_tables([claims_table(claims)], names=2)
        return 0
    if out is not None:
        _make_folder(out)
    with _warnings_as_lines(), _if_interrupted("qmis verify --claim KEY checks one of them"):
        from qmis_stats.verify import run_verification

        report = run_verification(quick=quick, progress=True, seed=seed, claims=claims)
        written = report.write(out) if out is not None else []
    if as_json:
        _print_json(report.to_dict())
    else:
        _print_tables(report.tables(), report.remarks(), names=2)
    for path in written:
        _complain(f"wrote {path}")
    return 0 if report.passed else _CLAIM_FAILED


def _make_folder(path: Path, option: str = "--out") -> None:
    """Create a folder now: a long run must not end at a folder that cannot be written."""
    if path.is_file():
        raise InputError(option, str(path), "a folder: this is a file")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise no_file(option, path, "written", error.strerror) from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise no_file(option, path, "written", "permission denied")


@cli.command()
@click.argument("losses", type=_Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--level", default=0.95, show_default=True, help="Confidence level.")
@click.option("--draws", default=2000, show_default=True, help="Bootstrap draws.")
@click.option("--seed", default=0, show_default=True, help="Seed of the bootstrap.")
@click.option("--plot", type=_Path(), help="Draw the ranks into this file (.png, .svg or .pdf).")
@click.option("--no-axis-check", is_flag=True, help="Allow more candidates (rows) than points (columns).")
def rank(
    losses: Path, as_json: bool, level: float, draws: int, seed: int, plot: Path | None, no_axis_check: bool
) -> None:
    """Rank quantizers by privacy from the losses of your own models.

    LOSSES is a file .npz with one candidates-by-points matrix per quantizer.
    """
    if plot is not None:
        _check_plot(plot)
    from qmis_stats.inference.loss_file import load_losses
    from qmis_stats.inference.ranking import rank as rank_losses
    from qmis_stats.validation import checked_level

    checked_level(level)
    with _naming(losses), _if_interrupted("nothing is kept of this command"):
        ranking = rank_losses(
            load_losses(losses),
            draws=draws,
            seed=seed,
            check_axes=not no_axis_check,
            progress=_progress("quantizers"),
        )
    data = ranking.to_dict(level)
    if plot is not None:
        import matplotlib as mpl

        mpl.use("agg")
        _save(ranking.plot(level=level), plot)
    for line in data["warnings"]:
        _complain(f"warning: {line}")
    if as_json:
        _print_json(data)
    else:
        # Warnings are told apart, on standard error.
        _print_tables(ranking.tables(level), [line for line in ranking.remarks(level) if line not in data["warnings"]])
    if plot is not None:
        _complain(f"wrote {plot}")


@cli.command()
@click.argument("data", default="bundled:breast_cancer")
@click.option("--target", metavar="COLUMN", help="Column to predict.")
@click.option("--smiles", metavar="COLUMN", help="Column of SMILES: features are fingerprints of the molecules.")
@click.option(
    "--kind",
    type=_Choice(("fingerprints", "descriptors", "both")),
    default="fingerprints",
    show_default=True,
    help="Features of molecules.",
)
@click.option("--groups", metavar="COLUMN", help="Column of groups: whole groups are held out.")
@click.option("--by", metavar="COLUMN", multiple=True, help="Tell leak and performance by this column's groups too.")
@click.option("--ignore", metavar="COLUMN", multiple=True, help="Leave this column out; may be repeated.")
@click.option(
    "--task", type=_Choice(("regression", "binary", "multiclass")), help="What is predicted.  [default: by the target]"
)
@click.option(
    "--model",
    type=_Choice(("linear", "mlp")),
    default="linear",
    show_default=True,
    help="A linear head, or a perceptron with one hidden layer.",
)
@click.option(
    "--standardise",
    type=_Choice(("training", "public")),
    default="training",
    show_default=True,
    help="By the training points, whose locations and scales are then released too, or by public ones: of all DATA.",
)
@click.option("--quantizers", metavar="NAME,NAME,...", help="Quantizers to compare.  [default: 15 from 1 to 8 bits]")
@click.option("--runs", default=10, show_default=True, help="Independent training runs.")
@click.option("--n", type=int, help="Points in each training subset.  [default: half of the data]")
@click.option("--evaluation", default=0.5, show_default=True, help="Share of the points that is held out.")
@click.option(
    "--calibrate",
    metavar="WHOSE",
    default="training",
    show_default=True,
    help="What quantizers that see data are calibrated on: training, held-out, or a FILE with the features of DATA.",
)
@click.option("--calibration-rows", default=128, show_default=True, help="At most so many of them.")
@click.option("--attacks", default=128, show_default=True, help="Training runs for attacks, 0: none.")
@click.option("--seed", default=0, show_default=True, help="A seed gives the same numbers for any --jobs.")
@click.option("--jobs", type=int, help="Processes.  [default: one per processor]")
@click.option("--level", default=0.95, show_default=True, help="Confidence level.")
@click.option("--margin", default=0.02, show_default=True, help="Performance that may be given up.")
@click.option(
    "--split",
    type=_Choice(("random", "scaffold")),
    default="random",
    show_default=True,
    help="How points are held out: at random, or whole scaffolds of molecules.",
)
@click.option(
    "--missing",
    type=_Choice(("refuse", "drop")),
    default="refuse",
    show_default=True,
    help="What is done with rows that have missing values.",
)
@click.option("--missing-values", metavar="TEXT", multiple=True, help="What marks a missing value, e.g. '?'.")
@click.option("--separator", metavar="CHARACTER", help="Of fields, or tab.  [default: by the line of names]")
@click.option("--decimal", default=".", show_default=True, help="Mark before the decimals: . or ,")
@click.option("--no-header", is_flag=True, help="The first line is data; columns are named 1, 2, ...")
@click.option("--store", type=_Path(), help="Folder for finished training runs, to go on when interrupted.")
@click.option("--out", type=_Path(), help="Folder for report.html and report.json.")
@click.option("--records", type=_Path(), help="File for the exposure of each record (.csv, .parquet).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def audit(
    data: str,
    target: str | None,
    smiles: str | None,
    kind: str,
    groups: str | None,
    by: tuple[str, ...],
    ignore: tuple[str, ...],
    task: str | None,
    model: str,
    standardise: str,
    quantizers: str | None,
    runs: int,
    n: int | None,
    evaluation: float,
    calibrate: str,
    calibration_rows: int,
    attacks: int,
    seed: int,
    jobs: int | None,
    level: float,
    margin: float,
    split: str,
    missing: str,
    missing_values: tuple[str, ...],
    separator: str | None,
    decimal: str,
    no_header: bool,
    store: Path | None,
    out: Path | None,
    records: Path | None,
    as_json: bool,
) -> None:
    """Rank quantizers by privacy on a data set, with what each costs.

    DATA is a table (.csv, .tsv, .txt, .data, .parquet), embeddings (.npy, .npz), bundled:breast_cancer or
    bundled:diabetes. Half of the points are held out; a model is trained on the other half again and again, and each
    quantizer is applied to its weights. Attacks on membership, on further training runs, check the answer.
    """
    if split == "scaffold" and smiles is None:
        raise InputError("--split", split, "random, or used with --smiles COLUMN")
    if kind != "fingerprints" and smiles is None:
        raise InputError("--kind", kind, "left out, or used with --smiles COLUMN")
    if groups is not None and split == "scaffold":
        raise InputError("--groups", groups, "left out with --split scaffold: scaffolds are the groups")
    if not 0.0 < evaluation < 1.0:
        raise InputError("--evaluation", evaluation, "a share between 0 and 1")
    if attacks != 0 and attacks < 16:
        raise InputError("--attacks", attacks, "0 for none, or at least 16")
    from qmis_stats.audit.algorithm import audit as run_audit
    from qmis_stats.audit.algorithm import head_for
    from qmis_stats.audit.answer import answer, checked_margin, chosen_names
    from qmis_stats.audit.audit_page import report_data, write_report
    from qmis_stats.audit.group_lines import shown_releases
    from qmis_stats.audit.public_units import in_units, public_units
    from qmis_stats.audit.rough_time import RANKING, RELEASES, RUNS, TO_ATTACK, audit_time
    from qmis_stats.quantizers.weights.names import DEFAULT_QUANTIZERS, names_in, quantizer
    from qmis_stats.validation import checked_level

    checked_level(level)
    checked_margin(margin)
    names = DEFAULT_QUANTIZERS if quantizers is None else names_in(quantizers)
    if "" in names:
        raise InputError("--quantizers", quantizers, "names with commas between them")
    chosen = [quantizer(name) for name in names]
    if out is not None:
        _make_folder(out)
    if records is not None:
        _check_records(records)
    options = {
        "smiles": smiles,
        "kind": kind,
        "ignore": ignore,
        "groups": "scaffold" if split == "scaffold" else groups,
        "by": by,
        "task": task,
        "missing": missing,
        "missing_values": missing_values,
        "separator": separator,
        "decimal": decimal,
        "header": not no_header,
    }
    dataset = _dataset(data, target, options)
    whose = {"calibrate": _calibration(calibrate, dataset, options), "calibration_rows": calibration_rows}
    if standardise == "public":
        units = public_units(dataset)
        dataset = in_units(dataset, units)
        if not isinstance(whose["calibrate"], str):
            whose["calibrate"] = units.apply(whose["calibrate"])
    head = head_for(dataset, model, standardise="public" if standardise == "public" else "auto")
    processes = _processors() if jobs is None else jobs
    found = None
    shown: dict[str, Any] = {"margin": margin, "command": _command_line()}
    kept = "--store FOLDER keeps finished training runs" if store is None else "the same command goes on with its store"
    time_left = audit_time(
        dataset, head, chosen, runs=runs, n=n, evaluation=evaluation, attacks=attacks, jobs=processes
    )
    with _warnings_as_lines(), _if_interrupted(kept), time_shown(time_left):
        result = run_audit(
            dataset,
            head,
            chosen,
            runs=runs,
            n=n,
            evaluation=evaluation,
            **whose,
            seed=seed,
            jobs=processes,
            store=store,
            progress=time_left.over(RUNS, RANKING),
        )
        written = [] if out is None else write_report(result, out, level, **shown)
    if not as_json:  # before the attacks, which take longest
        from qmis_stats.display import attack_table, audit_table, group_table, print_to_stdout

        print_to_stdout(audit_table(result, level, margin))
        if result.groups:
            print_to_stdout(group_table(result, shown_releases(answer(result, level, margin)), level))
        sys.stdout.flush()
    if attacks:
        unfinished = "the ranking is finished, its check by attacks is not"
        with _warnings_as_lines(), _if_interrupted(unfinished), time_shown(time_left):
            from qmis_stats.audit.attacks.audited import audit_attacks

            found = audit_attacks(
                dataset,
                head,
                chosen,
                n=result.specification["n"],
                trainings=attacks,
                level=level,
                **whose,
                seed=seed,
                jobs=processes,
                progress=time_left.over(TO_ATTACK, RELEASES),
                store=None if store is None else store / "attacks",
            )
        written = [] if out is None else write_report(result, out, level, attacks=found, **shown)
    if as_json:
        _print_json(report_data(result, level, attacks=found, **shown))
    elif found is not None:
        measured = result.with_attacks(found)
        if measured is not result:
            click.echo("\nMeasured by attacks, in the place of the answer above:\n")
            print_to_stdout(audit_table(measured, level, margin, found))
            if measured.groups:
                print_to_stdout(group_table(measured, shown_releases(answer(measured, level, margin, found)), level))
        print_to_stdout(attack_table(found, chosen_names(measured, answer(measured, level, margin, found))))
    for path in reversed(written):
        _complain(f"wrote {path}")
    if records is not None:  # last: where theory has none, this is an error, and the answer is there
        from qmis_stats.audit.record_file import write_records

        _complain(f"wrote {write_records(result, records)}")


def _check_records(path: Path) -> None:
    """Refuse a file of records now: a long audit must not end at it."""
    from qmis_stats.reporting.frame_file import check_frame_file

    check_frame_file("--records", path)
    _make_folder(path.parent, "--records")


def _dataset(data: str, target: str | None, options: dict[str, Any]) -> Dataset:
    """Return the data set of a file, or a bundled one, which takes no options."""
    from qmis_stats.audit.tables import BUNDLED, bundled, load_table, there

    if not data:
        raise InputError("DATA", data, "a file, or bundled: and a name")
    scheme, _, name = data.partition(":")
    if scheme == "bundled":
        context = click.get_current_context()
        for option in ("target", "split", "no_header", *options):
            if context.get_parameter_source(option) is ParameterSource.COMMANDLINE:
                value = context.params[option]
                shown = value[0] if isinstance(value, tuple) else value
                allowed = f"left out: {data} comes with its target and features"
                raise InputError(f"--{option.replace('_', '-')}", shown, allowed)
        if name not in BUNDLED:
            raise InputError("DATA", data, f"a file, or bundled: and one of {', '.join(BUNDLED)}")
        return bundled(name)
    if target is None:
        there(Path(data))
        allowed = f"the column of {data} to predict"
        raise InputError("--target", target, allowed, line=f"--target is missing: must be {allowed}")
    dataset = load_table(data, target, **options)
    command = click.get_current_context().command
    assert isinstance(command, _Command)
    return replace(dataset, notes=tuple(with_options(note, command.options) for note in dataset.notes))


def _calibration(whose: str, dataset: Dataset, options: dict[str, Any]) -> Any:
    """Return whose points calibrate: a word, or the rows of a file."""
    from qmis_stats.audit.calibration import HELD_OUT, TRAINING

    if whose in (TRAINING, HELD_OUT):
        return whose
    if not Path(whose).is_file():
        raise InputError(
            "--calibrate", whose, f"{TRAINING}, {HELD_OUT}, or a file that exists, with the features of DATA"
        )
    from qmis_stats.audit.public_rows import public_rows

    bearing = ("smiles", "kind", "missing", "missing_values", "separator", "decimal", "header")
    return public_rows(whose, dataset, **{name: options[name] for name in bearing})


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _command_line() -> str:
    """Return the command that is running with the options that bear on its numbers, ready for a shell."""
    import shlex

    context = click.get_current_context()
    words = ["qmis", str(context.info_name)]
    for parameter in context.command.params:
        value = context.params[str(parameter.name)]
        left_out = parameter.name in ("store", "out", "as_json", "jobs")
        if left_out or value is False or value in (parameter.default, None, ()):
            continue
        for item in value if isinstance(value, tuple) else (value,):
            named = isinstance(parameter, click.Option)
            words += [parameter.opts[0]] if named else []
            words += [] if named and getattr(parameter, "is_flag", False) else [str(item)]
    return shlex.join(words)


@contextlib.contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Put the name of the file in front of what is wrong in it, and not in an option."""
    try:
        yield
    except InputError as error:
        if error.field in ("file", "draws", "seed"):
            raise
        raise InputError(error.field, error.value, error.allowed, line=f"{file}: {error}") from None


def _save(axes: Axes, path: Path) -> None:
    from matplotlib.figure import Figure

    assert isinstance(axes.figure, Figure)
    axes.figure.savefig(path, dpi=300)


def _check_plot(path: Path) -> None:
    """Refuse a plot that could not be written, before the work is done."""
    if path.suffix.lower() not in _PLOTS:
        raise InputError("--plot", str(path), f"a file whose name ends with {', '.join(_PLOTS[:-1])} or {_PLOTS[-1]}")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError("--plot", str(path), "a file in a folder that exists and can be written")


@cli.command()
@click.argument("file", type=_Path())
@click.option("--store", type=_Path(), required=True, help="SQLite file that keeps every result.")
@click.option("--resume", is_flag=True, help="Go on with a store that holds cells already.")
@click.option("--jobs", type=int, help="Processes.  [default: one per processor]")
@click.option("--cluster", metavar="ADDRESS", help="Scheduler of a Dask cluster, in place of processes.")
@click.option("--export", type=_Path(), help="Write the table of results (.csv or .parquet).")
@click.option("--out", type=_Path(), help="Folder for report.html and report.json.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def sweep(
    file: Path,
    store: Path,
    resume: bool,
    jobs: int | None,
    cluster: str | None,
    export: Path | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Compute a grid of experiments into a store; safe to interrupt.

    FILE (TOML) is an experiment with a grid; --resume goes on with a store.
    """
    if cluster is not None and jobs is not None:
        raise InputError("--jobs", jobs, "left out with --cluster: the cluster has its workers")
    from qmis_stats.sweep import Store, load_sweep, run_sweep
    from qmis_stats.sweep.export import check_export

    if export is not None:
        check_export(export)
    cells = load_sweep(file)
    if out is not None:
        _make_folder(out)
    with steps("cells") as tell, _if_interrupted("the same command with --resume goes on"):
        progress = run_sweep(
            cells,
            store,
            resume=resume,
            jobs=_processors() if jobs is None else jobs,
            cluster=cluster,
            report=lambda done, total: tell(done, total, ""),
        )
    if progress.refused:
        _complain(f"warning: {progress.refused} of {progress.cells} cells have no result: see the column refusal")
    _print_progress(progress, as_json)
    if export is not None or out is not None:
        with Store(store, read_only=True) as finished:
            _write_results(finished, export, out)


@cli.command()
@click.argument("store", type=_Path())
@click.option("--export", type=_Path(), help="Write the table of results (.csv or .parquet).")
@click.option("--out", type=_Path(), help="Folder for report.html and report.json.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(store: Path, export: Path | None, out: Path | None, as_json: bool) -> None:
    """Show how far the sweep of a store is, also while it runs."""
    from qmis_stats.sweep import Store

    with Store(store, read_only=True) as opened:
        if out is not None:
            _make_folder(out)
        _print_progress(opened.progress(), as_json)
        _write_results(opened, export, out)


@cli.command()
@click.argument("store", type=_Path())
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=_Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def merge(store: Path, sources: tuple[Path, ...], as_json: bool) -> None:
    """Copy into one store what others hold and it lacks.

    STORE is made when it does not exist.
    """
    from qmis_stats.sweep import merge_stores

    _print_progress(merge_stores(store, sources), as_json)


def _write_results(store: Store, export: Path | None, out: Path | None) -> None:
    """Write what is asked for of a store."""
    written = []
    if export is not None:
        from qmis_stats.sweep.export import export as write_export

        write_export(store, export)
        written.append(export)
    if out is not None:
        from qmis_stats.sweep.sweep_page import write_report

        written.extend(write_report(store, out))
    for path in written:
        _complain(f"wrote {path}")


def _print_progress(progress: Progress, as_json: bool) -> None:
    if as_json:
        _print_json(progress.to_dict())
    else:
        _print_tables([progress.table()])


def _progress(what: str) -> Callable[[Iterable[Any]], Iterable[Any]]:
    """Return what shows the progress of an iteration on standard error."""

    def shown(work: Iterable[Any]) -> Iterator[Any]:
        items = list(work)
        with steps(what) as tell:
            for done, item in enumerate(items):
                tell(done, len(items), "")
                yield item

    return shown


@cli.command()
@click.argument("names", metavar="[NAME]...", nargs=-1, type=_Known(_figures))
@click.option("--out", default=Path("figures"), show_default=True, type=_Path(), help="Folder.")
@click.option("--quick", is_flag=True, help="Smaller samples: two minutes for all on 2 cores.")
def figures(names: tuple[str, ...], out: Path, quick: bool) -> None:
    """Draw figures of paper_figures, by default all of them.

    Each is written as NAME.csv, NAME.pdf and NAME.png.

    A figure of a committed study needs a checkout of the source; among all figures it is left out with a warning where
    there is none.
    """
    from paper_figures import FIGURES
    from paper_figures.runner import make, recipe
    from paper_figures.studies import MissingStudyError

    for name in names:
        recipe(name)
    _make_folder(out)
    wanted = names or tuple(FIGURES)
    with steps("figures") as tell:
        for done, name in enumerate(wanted):
            tell(done, len(wanted), name)
            try:
                with _if_interrupted(f"{done} of {len(wanted)} figures are drawn; qmis figures {name} draws the next"):
                    written = make(name, out, quick)
            except MissingStudyError as error:
                if names:
                    raise
                _complain(f"warning: no figure {name}: {error}")
                continue
            for path in written:
                _complain(f"wrote {path}")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(as_json: bool) -> None:
    """Show versions, backends, threads and GPU."""
    from qmis_stats.environment import environment, environment_table

    data = environment()
    if as_json:
        _print_json(data)
    else:
        _print_tables([environment_table(data)])


def main() -> None:
    """Run the command line."""
    cli(prog_name="qmis")


if __name__ == "__main__":
    main()
