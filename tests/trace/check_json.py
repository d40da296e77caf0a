"""check_json.py TRACE EXPECTED - checks a trace by what the trace event format says of each event.

EXPECTED has a line for each outcome and its number, as scene.c prints them.
"""

import collections
import json
import sys

# The members that the format knows, and what each holds.
MEMBERS = {
    "ph": str, "name": str, "cat": str, "cname": str, "s": str, "args": dict,
    "pid": int, "tid": int, "ts": (int, float), "dur": (int, float),
}
COLOURS = {"thread_state_running", "grey", "good", "bad", "terrible", "white"}
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
    for key, value in event.items():
        if key not in MEMBERS or not isinstance(value, MEMBERS[key]) or isinstance(value, bool):
            fail(key, "is no member of the format, or of another type:", event)
        if isinstance(value, (int, float)) and value < 0:
            fail(key, "is below 0:", event)
    if not event["name"]:
        fail("an event without a name:", event)
    if event.get("s", "t") not in ("g", "p", "t"):
        fail("a scope that is unknown:", event)
    if event.get("cname", "grey") not in COLOURS:
        fail("a colour that is unknown:", event)
    if phase == "C" and not all(isinstance(value, int) for value in event["args"].values()):
        fail("a counter that is no number:", event)
    if phase == "M" and event["name"] not in ("process_name", "thread_name"):
        fail("metadata that are unknown:", event)
    if phase == "M" and not isinstance(event["args"].get("name"), str):
        fail("a name that is none:", event)


def unique(pairs):
    """An object whose members have different names: readers differ on others."""
    if len({key for key, _ in pairs}) != len(pairs):
        fail("a member twice:", pairs)
    return dict(pairs)


def check_counters(events):
    """Each counter has values at the begin and at the end, in the order of time."""
    times = collections.defaultdict(list)
    for event in events:
        if event["ph"] == "C":
            times[event["name"]].append(event["ts"])
    last = max(event.get("ts", 0) + event.get("dur", 0) for event in events)
    for name, at in times.items():
        if at != sorted(at) or at[0] != 0 or at[-1] < last - 0.0015:
            fail("counter", name, "from", at[0], "to", at[-1], "of", last)


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
    with open(sys.argv[1], encoding="utf-8") as file:
        trace = json.load(file, object_pairs_hook=unique, parse_constant=fail)
    if trace.keys() != {"displayTimeUnit", "otherData", "traceEvents"}:
        fail("members:", trace.keys())
    if trace["displayTimeUnit"] not in ("ms", "ns") or not isinstance(trace["otherData"], dict):
        fail("unit:", trace["displayTimeUnit"])
    expected = {}
    for line in open(sys.argv[2], encoding="utf-8"):
        outcome, number = line.rsplit(None, 1)
        expected[outcome] = int(number)
    events = trace["traceEvents"]
    for event in events:
        check_event(event)
    check_counters(events)
    named = [(event["name"], event["tid"]) for event in events if event["ph"] == "M"]
    if len(set(named)) != len(named):
        fail("named twice:", named)
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
        needed = {"worker starts", "worker ends", "deadline"}
        if any(event["args"].get("signal") for event in events):
            needed.add("worker is killed")  # a thread is not
        if not needed <= happened:
            fail("lacking:", needed - happened)
    counters = {event["name"] for event in events if event["ph"] == "C"}
    if counters != {"queue", "memory"}:
        fail("counters:", counters)
    if trace["otherData"]["dropped"] != "0":
        fail("dropped:", trace["otherData"])
    print(len(events), "events:", dict(found))


main()
