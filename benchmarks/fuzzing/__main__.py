"""Broken files that coverage leads to: each reader of strangers' files is fuzzed for a while, by atheris.

    python benchmarks/fuzzing                          # a minute each; begun again it goes on from what it learned
    python benchmarks/fuzzing --only "LoRA headers" --seconds 600

A finding is what no error of ours names, more than 2 s of the processor, more than 500 MB, or the end of the process.
Each lies under `findings` with the shortest input that shows it. The last line is one JSON object; ends with 1 where
anything was found. Needs atheris: `pip install atheris`, on Linux and Python 3.11 to 3.13.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
sys.path[:0] = [
    str(one) for one in (ROOT, ROOT / "benchmarks", FIXTURES, *(FIXTURES / name for name in ("foreign", "lora_files")))
]

from fuzzing.targets import TARGETS  # noqa: E402
from this_machine.words import machine_in_words  # noqa: E402

GRACE = 300  # seconds beside those of the fuzzing: imports, samples, the last input
COUNTED = {"tried": r"stat::number_of_executed_units:\s*(\d+)", "branches": r"cov: (\d+)"}


@dataclass
class Outcome:
    """What became of one target; `stories` of all its findings, of earlier runs too."""

    name: str
    tried: int = 0
    branches: int = 0
    stories: list[str] = field(default_factory=list)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="of each target (60)")
    parser.add_argument("--only", action="append", choices=[one.name for one in TARGETS], help="repeatable")
    parser.add_argument("--seed", type=int, default=1, help="of what is drawn (1)")
    parser.add_argument(
        "--kept", type=Path, default=ROOT / "runs" / "benchmarks" / "fuzzing", help="inputs and findings so far"
    )
    return parser.parse_args()


def fuzzed(name: str, folder: Path, seconds: int, seed: int) -> Outcome:
    """One target, in a process of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        str(Path(__file__).with_name("one_target.py")),
        name,
        str(folder),
        str(seconds),
        str(seed),
    ]
    with (folder / "said").open("w+", encoding="utf-8", errors="replace") as said:
        try:
            code = subprocess.run(command, stdout=said, stderr=said, timeout=seconds + GRACE, check=False).returncode
        except subprocess.TimeoutExpired:
            code = -1
        said.seek(0)
        told = said.read()
    if "fuzzing: needs atheris" in told:
        raise SystemExit(told.strip().splitlines()[-1])
    counted = {key: int(found[-1]) for key, form in COUNTED.items() if (found := re.findall(form, told))}
    outcome = Outcome(name, **counted, stories=_stories(folder / "findings"))
    if code:
        outcome.stories.append(f"the process ended with {code}: {' '.join(told.split())[-300:]}")
    return outcome


def _stories(folder: Path) -> list[str]:
    """What was told of each finding, and what the fuzzer itself has put down: ends of the process."""
    told = [json.loads(path.read_text("utf-8"))["story"] for path in sorted(folder.glob("*.json"))]
    return told + [path.name for path in sorted(folder.glob("*-*")) if path.is_file()]


def main() -> int:
    chosen = arguments()
    outcomes = list[Outcome]()
    for target in TARGETS:
        if not chosen.only or target.name in chosen.only:
            folder = chosen.kept.resolve() / re.sub(r"\W+", "_", target.name)
            outcomes.append(fuzzed(target.name, folder, chosen.seconds, chosen.seed))
            last = outcomes[-1]
            print(
                f"{time.strftime('%H:%M:%S')} {last.name}: {last.tried} inputs, {last.branches} branches, "
                f"{len(last.stories)} findings",
                *(f"    {story}" for story in last.stories), sep="\n", file=sys.stderr, flush=True,
            )  # fmt: skip
    width = max(len(one.name) for one in outcomes)
    print(f"{'reader':{width}}   inputs  branches  findings")
    print("\n".join(f"{one.name:{width}}  {one.tried:7}  {one.branches:8}  {len(one.stories):8}" for one in outcomes))
    found = sum(len(one.stories) for one in outcomes)
    tried = sum(one.tried for one in outcomes)
    print(json.dumps({"inputs": tried, "findings": found, "seconds": chosen.seconds, "machine": machine_in_words()}))
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
