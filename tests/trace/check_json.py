"""check_json.py TRACE EXPECTED - checks a trace by what the trace event format says of each event.

EXPECTED has a line for each outcome and its number, as scene.c prints them.
"""

import collections
import json
import sys

NEEDED = {
    "X": {"name", "cat", "ts", "dur", "pid", "tid", "args"},
    "i": {"name", "cat", "ts", "s", "pid", "tid", "args"},
    "C": {"name", "ts", "pid", "tid", "args"},
    "M": {"name", "pid", "tid", "args"},
}


def fail(*words):
    sys.exit("FAILED: " + " ".join(str(word) for word in words))


def check_event(event):
    phase = event.get("ph")
    if phase not in NEEDED:
        fail("a phase that is unknown:", event)
    if not NEEDED[phase] <= event.keys():
        fail("it lacks", NEEDED[phase] - event.keys(), event)
    for key in ("ts", "dur", "pid", "tid"):
        if key in event and (not isinstance(event[key], (int, float)) or event[key] < 0):
            fail(key, "is no number from 0 on:", event)
    if phase == "C" and not all(isinstance(value, int) for value in event["args"].values()):
        fail("a counter that is no number:", event)


def check_track(slices):
    """Slices of a track lie beside each other or within each other."""
    open_ends = []
    for begin, end, name in sorted(slices, key=lambda s: (s[0], -s[1])):
        while open_ends and open_ends[-1] <= begin:
            open_ends.pop()
        if open_ends and end > open_ends[-1] + 0.0015:
            fail("slices cross at", begin, name)
        open_ends.append(end)


def main():
    trace = json.load(open(sys.argv[1], encoding="utf-8"))
    expected = {}
    for line in open(sys.argv[2], encoding="utf-8"):
        outcome, number = line.rsplit(None, 1)
        expected[outcome] = int(number)
    events = trace["traceEvents"]
    for event in events:
        check_event(event)
    tasks = [event for event in events if event.get("cat") == "task"]
    found = collections.Counter(event["args"]["outcome"] for event in tasks)
    if found != expected:
        fail("outcomes:", dict(found), "expected:", expected)
    tracks = collections.defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            tracks[event["tid"]].append((event["ts"], event["ts"] + event["dur"], event["name"]))
    for slices in tracks.values():
        check_track(slices)
    named = {event["tid"] for event in events if event["name"] == "thread_name"}
    if not tracks.keys() <= named:
        fail("tracks without a name:", tracks.keys() - named)
    names = {event["name"] for event in tasks}
    if not {"outer", "plain", '<a> & "b" \\ \u00e9 ?'} <= names:
        fail("names:", names)
    happened = {event["name"] for event in events if event["ph"] == "i"}
    if "lost" in expected:
        needed = {"worker starts", "worker ends", "worker is killed", "deadline"}
        if not needed <= happened:
            fail("lacking:", needed - happened)
    counters = {event["name"] for event in events if event["ph"] == "C"}
    if counters != {"queue", "memory"}:
        fail("counters:", counters)
    if trace["otherData"]["dropped"] != "0":
        fail("dropped:", trace["otherData"])
    print(len(events), "events:", dict(found))


main()
