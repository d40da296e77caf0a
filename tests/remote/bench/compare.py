#!/usr/bin/env python3
"""compare.py BENCH [rounds] - agents of this machine beside MPIPoolExecutor of mpi4py.futures.

BENCH is posse_remote_bench. Both have two workers; posse's are two places, in one agent or in two,
over TCP of loopback. mpi4py runs under Open MPI: one rank that submits, and two workers. The
programs take turns, and the figures are medians of all rounds. `idle` is the processor time that
all processes of a program use in two seconds without a task, in percent of one processor.
"""
import os
import re
import statistics
import subprocess
import sys
import time
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT_S = 300
MPI4PY = ["mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "-n", "3",
          "/usr/bin/python3", "-m", "mpi4py.futures", os.path.join(HERE, "peer.py")]


def figures(command):
    """What a program prints: {"tasks/s": 1.0, "MB/s arguments": 2.0, ...}."""
    text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True,
                          timeout=LIMIT_S).stdout
    found = {}
    for name, pattern in [("tasks/s", r"tasks/s +(\S+)"),
                          ("round trip us", r"round trip +(\S+) us"),
                          ("MB/s of arguments", r"MB/s +(\S+) of arguments"),
                          ("MB/s of results", r"MB/s .*, (\S+) of results")]:
        match = re.search(pattern, text)
        if match:
            found[name] = float(match.group(1))
    return found


def processor_ns(mark):
    """Of all processes that have the mark in their environment."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if mark.encode() not in file.read():
                    continue
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
        except OSError:  # it has ended
            continue
    return total


def idle(command):
    mark = f"POSSE_COMPARE={uuid.uuid4()}"
    environment = dict(os.environ, **dict([mark.split("=")]))
    with subprocess.Popen(command + ["idle"], stdout=subprocess.PIPE, text=True,
                          env=environment) as program:
        if program.stdout.readline() != "idle\n":
            raise SystemExit(f"{command} is not idle")
        time.sleep(0.2)
        before = processor_ns(mark)
        time.sleep(2)
        used = processor_ns(mark) - before
        program.wait(LIMIT_S)
    return {"idle %": used / 2e9 * 100}


def main():
    bench = os.path.abspath(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    measures = ["tasks", "trip", "bytes"]
    programs = {
        "one agent": ([bench, "tcp"], measures),
        "two agents": ([bench, "tcp", "two"], measures),
        "mpi4py": (MPI4PY, []),
    }
    all_figures = {name: {} for name in programs}
    for _ in range(rounds):
        for name, (command, words) in programs.items():
            for key, value in {**figures(command + words), **idle(command)}.items():
                all_figures[name].setdefault(key, []).append(value)
    print(f"{'':18} " + " ".join(f"{name:>12}" for name in programs))
    for key in all_figures["mpi4py"]:
        medians = [statistics.median(all_figures[name][key]) for name in programs]
        print(f"{key:18} " + " ".join(f"{median:12.2f}" for median in medians))


if __name__ == "__main__":
    main()
