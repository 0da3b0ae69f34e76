"""Measures what a second process brings on a machine of two cores: docs/scaling.md.

All processes are started once and then train in turns, a few steps each, so that other
work on the machine slows all of them alike. Ratios are taken within a round.

Example: python -m experiments.scaling configs/mnist.flags --rounds=20
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.pages import DOCS, table, write_page, write_record

ARGUMENTS = ("configs/mnist.flags",)
STEPS = 8  # in a turn


class Group(NamedTuple):
    """Processes that train together."""

    name: str
    cores: tuple[str, ...]  # of each process
    batch_size: int  # of all of them together


GROUPS = (
    Group("1 process on 1 core", ("0",), 16),
    Group("1 process on 2 cores", ("0,1",), 16),
    Group("2 processes, a core each, the same batch", ("0", "1"), 16),
    Group("2 processes, a core each, twice the batch", ("0", "1"), 32),
)


def work(flagfile: str, cores: str, batch_size: str) -> None:
    """Trains some steps for every line on standard input; writes the seconds."""
    # TensorFlow counts its threads when it is loaded.
    os.sched_setaffinity(0, map(int, cores.split(",")))
    import tensorflow as tf

    from pdm_tf import flags
    from pdm_tf.assemble.state import build_state, build_trainer
    from pdm_tf.config import Config
    from pdm_tf.data.pipeline import training_batches
    from pdm_tf.data.sources import open_source
    from pdm_tf.training.batch_sharding import distributed
    from pdm_tf.training.distribution import choose_strategy

    shared = "TF_CONFIG" in os.environ
    strategy = choose_strategy("multi_worker" if shared else "default")
    (config,) = flags.parse(["", f"--flagfile={flagfile}"], Config)
    training = replace(config.training, batch_size=int(batch_size), run_dir="none")
    config, network = replace(config, training=training), config.network
    source = open_source(config.data.dataset, network.image_shape, network.num_classes)
    trainer = build_trainer(config, strategy, build_state(config, strategy))
    batches = distributed(
        strategy,
        lambda shard: training_batches(source, int(batch_size), 0, 0, shard=shard),
    )
    for _ in sys.stdin:
        began, spent = time.perf_counter(), time.process_time()
        trainer.run_steps(batches, tf.constant(STEPS)).terms["simple"].numpy()
        print(time.perf_counter() - began, time.process_time() - spent, flush=True)


def _start(group: Group, flagfile: str) -> list[subprocess.Popen]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in group.cores]
    addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    processes = []
    for index, cores in enumerate(group.cores):
        task = {"type": "worker", "index": index}
        cluster = {"cluster": {"worker": addresses}, "task": task}
        root = str(Path(__file__).resolve().parents[1])
        environment = {**os.environ, "PYTHONPATH": root, "CUDA_VISIBLE_DEVICES": ""}
        if len(group.cores) > 1:
            environment["TF_CONFIG"] = json.dumps(cluster)
        command = [sys.executable, "-m", "experiments.scaling", "work"]
        processes.append(
            subprocess.Popen(
                [*command, flagfile, cores, str(group.batch_size)],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        )
    return processes


def _turn(processes: list[subprocess.Popen]) -> tuple[float, float]:
    """Seconds of a turn, and processor seconds of all processes in it."""
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    spent = []
    for process in processes:
        assert process.stdout
        spent.append(list(map(float, process.stdout.readline().split())))
    return max(row[0] for row in spent), sum(row[1] for row in spent)


def measure(flagfile: str, rounds: int) -> list[dict[str, Any]]:
    """Lets all groups take turns; a row for each group."""
    running = [_start(group, flagfile) for group in GROUPS]
    for processes in running:
        _turn(processes)  # traces the graph
    turns = np.array([[_turn(p) for p in running] for _ in range(rounds)])
    for processes in running:
        for process in processes:
            process.kill()
    return rows_of(turns)


def rows_of(turns: np.ndarray) -> list[dict[str, Any]]:
    """Rows from seconds and processor seconds of turns, float [rounds, groups, 2]."""
    sizes = np.array([group.batch_size for group in GROUPS])
    rates = STEPS * sizes / turns[:, :, 0]
    ratios = rates / rates[:, :1]
    rows = []
    for i, group in enumerate(GROUPS):
        low, ratio, high = np.percentile(ratios[:, i], (25, 50, 75)).tolist()
        rows.append(
            {
                "group": f"{group.name}, {group.batch_size} pictures",
                "images_per_second": float(np.median(rates[:, i])),
                "ratio": ratio,
                "low": low,
                "high": high,
                "processor_seconds": float(np.median(turns[:, i, 1]) / STEPS),
            }
        )
    return rows


def text_of(rows: Sequence[dict[str, Any]]) -> str:
    """The table of the page."""
    return table(
        ("", "images/s", "over 1 process on 1 core", "processor s a step"),
        (
            (
                row["group"],
                f"{row['images_per_second']:.0f}",
                f"{row['ratio']:.2f} ({row['low']:.2f} to {row['high']:.2f})",
                f"{row['processor_seconds']:.3f}",
            )
            for row in rows
        ),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measures, records, writes the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("flagfile", help="settings of the run that is trained")
    parser.add_argument("--rounds", type=int, default=6, help="turns of each group")
    parser.add_argument("--docs", type=Path, default=DOCS, help="folder of pages")
    words = parser.parse_args(argv)
    rows = measure(words.flagfile, words.rounds)
    write_record(words.docs / "scaling.json", rows)
    write_page(words.docs / "scaling.md", "scaling", text_of(rows))


if __name__ == "__main__":
    work(*sys.argv[2:]) if sys.argv[1:2] == ["work"] else main()
