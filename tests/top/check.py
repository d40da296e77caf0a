"""check.py POSSE_TOP SUBJECT [PART...] - runs posse-top on programs, and checks what it shows.

Each part is a function below, which is run alone if it is named. Nothing here depends on how long
something takes: what must come is waited for, at most LIMIT seconds.
"""
import ctypes
import fcntl
import hashlib
import json
import mmap
import os
import pathlib
import pty
import random
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

LIMIT = 200
TOP, SUBJECT = sys.argv[1:3]
SEEDS = 400 if os.environ.get("POSSE_TEST_LONG") == "1" else 25
LIBC = ctypes.CDLL(None)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int,
                      ctypes.c_long)
LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)


class Subject:
    """A running program with executors."""

    def __init__(self, *what):
        self.process = subprocess.Popen(
            [SUBJECT, *what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            encoding="utf-8")
        self.pid = self.process.pid
        assert self.process.stdout.readline() == "ready\n", "the program did not start"

    def counts(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def top(*words, **options):
    return subprocess.run([TOP, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=LIMIT, **options)


def ended_well(run):
    """A status of its own; no signal, nothing of a sanitizer."""
    assert run.returncode in (0, 1), f"exit status {run.returncode}: {run.stderr[-2000:]}"
    assert run.returncode == 0 or run.stderr.startswith(b"posse-top: "), run.stderr[-2000:]


def may_trace(pid):
    """Whether the kernel lets this user read a process's own memory."""
    try:
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY))
    except PermissionError:
        print("  left out: executors with threads, whose memory may not be read here")
        return False
    return True


def shown(pid, *words):
    run = top("--json", *words, pid)
    assert run.returncode == 0, (run.returncode, run.stderr)
    return json.loads(run.stdout.decode("utf-8"))


def by_name(view):
    return {executor["name"]: executor for executor in view["executors"]}


def refused(run, *texts):
    assert run.returncode == 1, run
    assert run.stdout == b"", run.stdout
    for text in texts:
        assert text.encode() in run.stderr, run.stderr


# ---- what is shown ----


def counts():
    """The counts are those of posse_get_stats."""
    with Subject("states") as subject:
        end = time.monotonic() + LIMIT
        while True:
            before, view, after = subject.counts(), shown(subject.pid), subject.counts()
            if before == after:
                break
            assert time.monotonic() < end, "the program never comes to rest"
        if not may_trace(subject.pid):
            after.pop("threads")
            after.pop("inline")
        assert view["program"] == {"pid": subject.pid, "name": "subject"}, view["program"]
        assert view["complete"] and len(view["executors"]) == len(after)
        for name, executor in by_name(view).items():
            assert executor["problem"] is None and executor["complete"], executor
            assert executor["stats"].pop("cpu_ns") >= 0  # it grows meanwhile
            assert executor["stats"] == after[name], (name, executor["stats"], after[name])


def name(pid):
    with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
        return comm.read().rstrip("\n")


def parent(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return int(re.search(r"PPid:\t(\d+)", status.read()).group(1))


def states():
    """Workers, their processes and tasks."""
    with Subject("states") as subject:
        executors = by_name(shown(subject.pid))
        if may_trace(subject.pid):
            threads, inline = executors.pop("threads"), executors.pop("inline")
            assert (threads["backend"], inline["backend"]) == ("thread", "inline")
            assert threads["phase"] == inline["phase"] == "open" and not inline["workers"]
            worker = threads["workers"][0]
            assert worker["state"] == "busy" and worker["pid"] is None, threads
            assert worker["task"]["function"] == "wait_task", threads
        assert all(e["backend"] == "process" for e in executors.values())
        assert [e["phase"] for e in executors.values()] == [
            "open", "open", "open", "open", "open", "open", "closed", "broken"], executors
        assert executors["broken"]["reason"].startswith('no "start"??[31m\\ here'), executors
        busy = executors["busy"]
        assert busy["max_workers"] == 3 and len(busy["workers"]) == 3
        tasks = {worker["task"]["function"]: worker["task"] for worker in busy["workers"]}
        assert set(tasks) == {"function_to_find", "map_function", "wait_task"}, tasks
        assert tasks["function_to_find"]["name"] == 'gr\u00fcn "a\\b"?[2J?', tasks
        assert tasks["wait_task"]["running_ns"] > 0 and tasks["map_function"]["running_ns"] is None
        stamped = executors["stamped"]["workers"][0]["task"]
        assert stamped["running_ns"] > 0 and not stamped["running_longer"], stamped
        def fresh():
            return by_name(shown(subject.pid))["fresh"]

        wait_for(lambda: name(fresh()["workers"][0]["pid"]) == "fresh task")
        task = fresh()["workers"][0]["pid"]
        assert parent(parent(task)) == executors.pop("fresh")["supervisor"], fresh()
        for executor in executors.values():
            for worker in executor["workers"]:
                assert name(worker["pid"]) == f"{executor['name']}_{worker['number']}"
                assert worker["memory"] > 0
                assert worker["state"] == ("busy" if worker["task"] else "idle"), worker
        assert executors["lossy"]["stats"]["workers_lost"] == 3


def stopped():
    """A worker that is stopped, and one that has another name."""
    with Subject("idle") as subject:
        worker = shown(subject.pid)["executors"][0]["workers"][0]
        os.kill(worker["pid"], signal.SIGSTOP)
        wait_for(lambda: shown(subject.pid)["executors"][0]["workers"][0]["state"] == "stopped")
        os.kill(worker["pid"], signal.SIGCONT)
        wait_for(lambda: shown(subject.pid)["executors"][0]["workers"][0]["state"] == "idle")


def rates():
    """Two looks give rates, one gives none."""
    with Subject("states") as subject:
        one, two = shown(subject.pid), shown(subject.pid, "--interval", "0.05")
        assert all(e["tasks_per_second"] is None for e in one["executors"])
        assert all(e["tasks_per_second"] == 0 for e in two["executors"])
        busy = by_name(two)["busy"]["workers"]
        assert all(w["cpu_percent"] >= 0 and w["task"]["running_ns"] > 0 for w in busy), busy
        assert [w["task"]["running_longer"] for w in busy
                if w["task"]["function"] == "wait_task"] == [False]


def table():
    """For people; without a terminal as with --once."""
    with Subject("states") as subject:
        once, plain = top("--once", subject.pid), top(subject.pid)
        assert once.returncode == plain.returncode == 0
        for text in once.stdout.decode("utf-8"), plain.stdout.decode("utf-8"):
            assert "\033" not in text
            for words in ("executor busy (processes): open", "500 queued, 3 running",
                          "map_function",
                          'gr\u00fcn "a\\b"?[2J? (function_to_find)', "5 started, 3 lost",
                          "executor broken (processes): broken: no"):
                assert words in text, (words, text)


# ---- which program ----


def found_by_itself():
    """Without a PID: the only program, or a list with it; a worker leads to its program."""
    with Subject("idle") as subject:
        run = top("--once")
        assert str(subject.pid).encode() in run.stdout, run
        view = shown(subject.pid)
        with Subject("idle") as other:
            run = top("--once")
            assert run.returncode == 1 and b"several programs" in run.stderr, run
            for pid in subject.pid, other.pid:
                assert re.search(rb"(?m)^ *%d +1  subject$" % pid, run.stdout), run.stdout
        for pid in view["executors"][0]["supervisor"], view["executors"][0]["workers"][0]["pid"]:
            assert shown(pid)["program"]["pid"] == subject.pid


def container():
    """A program in a PID namespace of its own, seen from outside."""
    command = ["unshare", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run(
            [*command, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        print("  left out: no PID namespace can be made")
        return
    with subprocess.Popen([*command, SUBJECT, "idle"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="utf-8") as file:
            pid = int(file.read())
        wait_for(lambda: [worker["state"] for worker in shown(pid)["executors"][0]["workers"]]
                 == ["idle", "idle"])
        executor = shown(pid)["executors"][0]
        assert all(worker["pid"] for worker in executor["workers"]), executor
        assert str(pid).encode() in top("--once").stdout
        process.stdin.close()


def not_found():
    refused(top(os.getpid()), "has no executor", "threads or inline")
    with Subject("idle") as subject:
        pid = subject.pid
    refused(top(pid), f"no process {pid}")


def misuse():
    for words in (["0"], ["-5"], ["12x"], ["99999999999999999999"], ["1", "2"], ["--unknown"],
                  ["--interval"], ["--interval", "0"], ["--interval", "nan"],
                  ["--interval", "1x"], ["--interval", "1e9"], [""], ["--once=1"]):
        run = top(*words)
        assert run.returncode == 2 and run.stdout == b"", (words, run)
        assert run.stderr.startswith(b"posse-top: ") and b"usage: " in run.stderr, run
    assert b"usage: posse-top" in top("--help").stdout
    assert re.fullmatch(rb"posse-top \d+\.\d+\.\d+\n", top("--version").stdout)
    if not pathlib.Path("/dev/full").is_char_device():
        print("  left out: here is no /dev/full")
        return
    with Subject("idle") as subject, open("/dev/full", "wb") as full:
        run = subprocess.run([TOP, "--json", str(subject.pid)], stdout=full, stderr=subprocess.PIPE)
        assert run.returncode == 1 and b"cannot write" in run.stderr, run
        for word in ("--help", "--version"):
            run = subprocess.run([TOP, word], stdout=full, stderr=subprocess.PIPE)
            assert run.returncode == 1 and b"cannot write" in run.stderr, run


def other_user():
    """The kernel refuses whoever is neither the owner nor root."""
    if os.geteuid() != 0:
        print("  left out: needs root, to become another user")
        return
    with tempfile.TemporaryDirectory() as directory, Subject("idle") as subject:
        os.chmod(directory, 0o755)
        copy = shutil.copy(TOP, directory)

        def nobody():
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)

        for mode in "--once", "--json":
            run = subprocess.run([copy, mode, str(subject.pid)], capture_output=True,
                                 preexec_fn=nobody, timeout=LIMIT)
            refused(run, "belongs to user 0", "only that user and root")
        run = subprocess.run([copy, "--once"], capture_output=True, preexec_fn=nobody,
                             timeout=LIMIT)
        assert str(subject.pid).encode() not in run.stdout, run
        # A program that its own user may not read is not for that user.
        secret = shutil.copy(SUBJECT, directory)
        os.chmod(secret, 0o711)
        with subprocess.Popen([secret, "idle"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              preexec_fn=nobody) as process:
            assert process.stdout.readline() == b"ready\n"
            run = subprocess.run([copy, "--once", str(process.pid)], capture_output=True,
                                 preexec_fn=nobody, timeout=LIMIT)
            refused(run, "lets nobody but root look")
            assert len(shown(process.pid)["executors"][0]["workers"]) == 2  # by root
            process.stdin.close()


# ---- nothing is changed ----


def memory_of(pid):
    """A descriptor of the only executor's memory."""
    for number in os.listdir(f"/proc/{pid}/fd"):
        path = f"/proc/{pid}/fd/{number}"
        if re.match(r"/memfd:posse|/dev/shm/posse-", os.readlink(path)):
            return os.open(path, os.O_RDONLY)
    raise AssertionError("no memory")


def digest(fd):
    """Of all that has memory, and how much that is."""
    at, total = 0, hashlib.sha256()
    while True:
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            break
        at = os.lseek(fd, begin, os.SEEK_HOLE)
        total.update(struct.pack("qq", begin, at) + os.pread(fd, at - begin, begin))
    return total.hexdigest(), os.fstat(fd).st_blocks


def times(fd):
    status = os.fstat(fd)
    return status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns


def unchanged():
    with Subject("idle") as subject:
        fd = memory_of(subject.pid)
        end = time.monotonic() + LIMIT
        while True:
            before = digest(fd)
            time.sleep(0.3)
            if digest(fd) == before:
                break
            assert time.monotonic() < end, "it never comes to rest"
        before_times = times(fd)
        for _ in range(20):
            shown(subject.pid)
            top("--once", subject.pid)
        assert times(fd) == before_times
        assert digest(fd) == before
        os.close(fd)


def page_tables(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return re.search(r"VmPTE:.*", status.read()).group()


def switches(pid):
    """How often its threads have come to sleep, all together; None: one of them runs."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/status", encoding="utf-8") as status:
            text = status.read()
        if not re.search(r"^State:\tS", text, re.MULTILINE):
            return None
        total += int(re.search(r"^voluntary_ctxt_switches:\t(.*)", text, re.MULTILINE).group(1))
    return total


def await_rest(pid):
    """A thread that still starts may use pages of its own."""
    end = time.monotonic() + LIMIT
    while True:
        before = switches(pid)
        time.sleep(0.3)
        if before is not None and switches(pid) == before:
            return
        assert time.monotonic() < end, "it never comes to rest"


def unchanged_threads():
    """A page that was never used stays so."""
    with Subject("threads") as subject:
        if not may_trace(subject.pid):
            return
        await_rest(subject.pid)
        before = page_tables(subject.pid)
        for _ in range(20):
            assert shown(subject.pid)["executors"][0]["problem"] is None
            assert b"executor threads (threads): open" in top("--once", subject.pid).stdout
        assert page_tables(subject.pid) == before


# ---- what may be hostile ----


def killed():
    """The program is killed while posse-top looks."""
    for i in range(SEEDS):
        with Subject("idle") as subject:
            run = subprocess.Popen([TOP, "--json", "--interval", "0.05", str(subject.pid)],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            time.sleep(i % 10 / 100)
            subject.process.kill()
            out, err = run.communicate(timeout=LIMIT)
            assert run.returncode in (0, 1) and (out or err.startswith(b"posse-top: ")), (out, err)
            if run.returncode == 0:
                json.loads(out.decode("utf-8"))


def wild():
    """Tasks write random bytes over the memory that posse-top reads."""
    readable = 0
    for seed in range(SEEDS):
        with Subject("wild", str(seed)) as subject:
            for _ in range(8):
                run = top("--json", subject.pid)
                ended_well(run)
                if run.returncode == 0:
                    view = json.loads(run.stdout.decode("utf-8"))
                    readable += view["executors"][0]["problem"] is None
                ended_well(top("--once", "--interval", "0.05", subject.pid))
    print(f"  {SEEDS} seeds, {readable} looks at wild memory that was readable")


class Forged:
    """This process has memory that looks like an executor's."""

    def __init__(self, content, size):
        self.fd = os.memfd_create("posse")
        os.write(self.fd, content)
        os.ftruncate(self.fd, size)
        # not by Python, which maps no more than there is
        self.memory = LIBC.mmap(None, 4096, mmap.PROT_READ, mmap.MAP_SHARED, self.fd, 0)
        assert self.memory != ctypes.c_void_p(-1).value

    def __enter__(self):
        return self

    def __exit__(self, *error):
        LIBC.munmap(self.memory, 4096)
        os.close(self.fd)

    def problem(self):
        executors = shown(os.getpid())["executors"]
        assert len(executors) == 1
        ended_well(top("--once", os.getpid()))
        return executors[0]["problem"]


def forged():
    """Memory of another version, cut, or filled with anything."""
    with Subject("idle") as subject:
        fd = memory_of(subject.pid)
        real, size = os.pread(fd, 1 << 20, 0), os.fstat(fd).st_size
        os.close(fd)
    own = bytearray(real)
    at = real.index(struct.pack("i", subject.pid), 40)  # in pi_origin
    struct.pack_into("i", own, at, os.getpid())
    for content, length, words in (
            (b"", 0, "of an older version"), (b"", 4096, "of an older version"),
            (b"", 1 << 40, "of an older version"), (real[:20], 20, "of an older version"),
            (own[:8] + b"9.9.9" + bytes(11) + own[24:], size, "made by posse 9.9.9"),
            (own[:8] + b"\033[2J" + b"\xff" * 12 + own[24:], size, "made by posse ?[2J????"),
            (own[:24] + b"12345678" + own[32:], size, "made by posse"),
            (own, size - 4096, "overwritten"), (own[:4096], 4096, "overwritten"),
            (own[:32] + b"\xff" * 12 + own[44:], size, "overwritten")):
        with Forged(bytes(content), length) as memory:
            assert words in memory.problem(), (words, memory.problem())
    with Forged(bytes(own), size) as memory:
        assert memory.problem() is None
        blocks = os.fstat(memory.fd).st_blocks
        assert shown(os.getpid())["executors"][0]["supervisor"] is None
        dice = random.Random(5)
        for _ in range(SEEDS):
            for _ in range(200):
                at = dice.choice((128, 128, 12 << 10, 65536)) + dice.randrange(8192)
                os.pwrite(memory.fd, dice.randbytes(dice.randrange(9)), at)
            assert memory.problem() is None
        for value in b"\xff\x00\x01":
            os.pwrite(memory.fd, bytes([value]) * ((1 << 20) - 128), 128)
            assert memory.problem() is None
        assert os.fstat(memory.fd).st_blocks <= blocks + 2 * (1 << 20) // 512


def forged_threads():
    """The same in memory of this process alone."""
    if not may_trace(os.getpid()):
        return
    with Subject("idle") as subject:
        fd = memory_of(subject.pid)
        own, size = bytearray(os.pread(fd, 1 << 20, 0)), os.fstat(fd).st_size
        os.close(fd)
    struct.pack_into("i", own, own.index(struct.pack("i", subject.pid), 40), os.getpid())
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # MAP_NORESERVE
    memory = LIBC.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
    dice = random.Random(6)
    for seed in range(SEEDS):
        ctypes.memmove(memory, bytes(own), len(own))
        for _ in range(200 if seed else 0):
            at, what = 128 + dice.randrange(len(own) - 256), dice.randbytes(dice.randrange(9))
            ctypes.memmove(memory + at, what, len(what))
        executors = shown(os.getpid())["executors"]
        assert [e["problem"] for e in executors] == [None], executors
        ended_well(top("--once", os.getpid()))
    for at in range(0, 128, 4):
        ctypes.memmove(memory, bytes(own), len(own))
        ctypes.memmove(memory + at, b"\xff" * 4, 4)
        ended_well(top("--json", os.getpid()))
    LIBC.munmap(memory, size)


# ---- on a terminal ----


def wait_for(condition):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


class Terminal:
    """posse-top on a terminal of its own."""

    def __init__(self, pid, rows=40, columns=120, **environment):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [TOP, "--interval", "0.05", str(pid)], stdin=self.slave, stdout=self.slave,
            stderr=self.slave, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(
                0, termios.TIOCSCTTY, 0), env={"TERM": "xterm", **environment})
        self.output = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0.05)[0]:
            self.output += os.read(self.master, 65536)

    def frames(self):
        self.read()
        return self.output.decode("utf-8").split("\033[?2026h\033[H")[1:-1]

    def key(self, key):
        os.write(self.master, key)

    def await_frame(self, holds):
        """A new frame of which it holds."""
        self.read()
        self.output = b""
        wait_for(lambda: any(holds(frame) for frame in self.frames()))

    def wait(self):
        """How it ended. It may wait until its output is read."""
        wait_for(lambda: self.read() or self.process.poll() is not None)
        self.read()
        return self.process.returncode

    def finish(self):
        """The same; the terminal is as before."""
        status = self.wait()
        assert self.output.rstrip().find(b"\033[?25h\033[?1049l") >= 0, self.output[-200:]
        assert b"\033[?1049h" not in self.output[self.output.rfind(b"\033[?1049l"):]
        assert termios.tcgetattr(self.slave) == self.before
        os.close(self.master)
        os.close(self.slave)
        return status


def keys():
    with Subject("states") as subject:
        terminal = Terminal(subject.pid)
        terminal.await_frame(lambda frame: "executor busy" in frame and "by number" in frame)
        terminal.key(b"s")
        terminal.await_frame(lambda frame: "by processor time" in frame)
        terminal.key(b"ss")
        terminal.await_frame(lambda frame: "by running time" in frame)
        terminal.key(b"xp")
        terminal.await_frame(lambda frame: ", paused" in frame and "p go on" in frame)
        terminal.key(b"p")
        terminal.await_frame(lambda frame: "paused" not in frame and "map_function" in frame)
        terminal.key(b"q")
        assert terminal.finish() == 0


def window():
    """Nothing is wider or longer than the window, whatever its size becomes."""
    def fits(frame, rows, columns):
        lines = re.sub(r"\033\[[?0-9;]*[a-zA-Z]|\r", "", frame).rstrip("\n").split("\n")
        return len(lines) <= rows and all(len(line) <= columns for line in lines)

    with Subject("states") as subject:
        terminal = Terminal(subject.pid, rows=10, columns=60)
        terminal.await_frame(lambda frame: True)
        for frame in terminal.frames():
            assert fits(frame, 10, 60), frame
        for rows, columns in ((5, 20), (1, 1), (50, 200)):
            terminal.resize(rows, columns)
            os.kill(terminal.process.pid, signal.SIGWINCH)
            terminal.await_frame(lambda frame: fits(frame, rows, columns))
        terminal.key(b"q")
        assert terminal.finish() == 0


def colors():
    with Subject("states") as subject:
        for environment, colored in (({}, True), ({"NO_COLOR": ""}, True),
                                     ({"NO_COLOR": "1"}, False)):
            terminal = Terminal(subject.pid, **environment)
            terminal.await_frame(lambda frame: "executor busy" in frame)
            assert all(("\033[32m" in frame) == colored for frame in terminal.frames())
            terminal.key(b"q")
            assert terminal.finish() == 0
        terminal = Terminal(subject.pid, TERM="dumb")
        assert terminal.wait() == 0
        assert b"\033" not in terminal.output


def signals():
    """Each signal that ends it leaves the terminal as it was; ^Z stops it, and it comes back."""
    with Subject("states") as subject:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            terminal = Terminal(subject.pid)
            terminal.await_frame(lambda frame: "executor busy" in frame)
            if number == signal.SIGINT:
                terminal.key(b"\x03")
            else:
                os.kill(terminal.process.pid, number)
            assert terminal.finish() == -number
        terminal = Terminal(subject.pid)
        terminal.await_frame(lambda frame: "executor busy" in frame)
        os.kill(terminal.process.pid, signal.SIGTSTP) # its group is an orphan: it is not stopped
        terminal.await_frame(lambda frame: "executor busy" in frame)
        terminal.key(b"q")
        assert terminal.finish() == 0


def program_ends():
    with Subject("states") as subject:
        terminal = Terminal(subject.pid)
        terminal.await_frame(lambda frame: "executor busy" in frame)
        subject.process.kill()
        subject.process.wait()
        assert terminal.finish() == 0
        assert b"has ended" in terminal.output
    with Subject("idle") as subject: # not reaped
        terminal = Terminal(subject.pid)
        terminal.await_frame(lambda frame: "executor idle" in frame)
        subject.process.kill()
        assert terminal.finish() == 0
        assert b"has ended" in terminal.output
    with Subject("destroyed") as subject:
        terminal = Terminal(subject.pid)
        terminal.await_frame(lambda frame: "executor first" in frame)
        subject.counts()
        terminal.await_frame(lambda frame: "0 executors" in frame)
        subject.counts()
        terminal.await_frame(lambda frame: "executor second" in frame)
        terminal.key(b"q")
        assert terminal.finish() == 0
    for seed in range(5):
        with Subject("wild", str(seed)) as subject:
            terminal = Terminal(subject.pid)
            wait_for(lambda: len(terminal.frames()) >= 5 or terminal.process.poll() is not None)
            subject.process.kill()
            subject.process.wait()
            assert terminal.finish() in (0, 1)


PARTS = (counts, states, stopped, rates, table, found_by_itself, container, not_found, misuse,
         other_user, unchanged, unchanged_threads, killed, wild, forged, forged_threads, keys,
         window, colors, signals, program_ends)


def main():
    named = sys.argv[3:]
    assert all(name in [part.__name__ for part in PARTS] for name in named), "no such part"
    for part in PARTS:
        if not named or part.__name__ in named:
            print(part.__name__, flush=True)
            part()


main()
