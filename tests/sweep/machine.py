"""Where a sweep runs ublkctl: a real driver, or the model of it. Each gives a program, devices, and what is in them."""
import json
import mmap
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

MIB = 1 << 20
HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("BUILD", f"{REPO}/build/dev")
TIMEOUT = 30  # seconds; no command may take so long


class Fault(Exception):
    """What must not be."""


def expect(condition, what):
    if not condition:
        raise Fault(what)


def settled(what, condition, seconds=15):
    """Waits until condition() is None; a Fault says what was not so in time, with what it gave last."""
    end = time.monotonic() + seconds
    while (got := condition()) is not None:
        expect(time.monotonic() < end, f"not within {seconds} s: {what}: {got}")
        time.sleep(0.01)


class Done:
    def __init__(self, arguments, status, out, err):
        self.arguments, self.status, self.out = arguments, status, out
        self.err = "\n".join(line for line in err.splitlines() if not line.endswith(" ..."))


class Machine:
    """What both have in common."""

    def __init__(self, program):
        self.program = program
        self.scratch = tempfile.mkdtemp(prefix="sweep-")
        self.points = os.path.join(self.scratch, "points")

    def spawn(self, *arguments):
        """A command that is bounded; its output goes to files, since a server that it leaves behind may hold a pipe open."""
        with open(f"{self.scratch}/out", "wb") as out, open(f"{self.scratch}/err", "wb") as err:
            process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=self.environment(),
                                       cwd=self.scratch)
        try:
            status = process.wait(TIMEOUT)
        except subprocess.TimeoutExpired as late:
            process.kill()
            raise Fault(f"no end after {TIMEOUT} s: {' '.join(arguments)}; {self.read('err')}") from late
        return Done(arguments, status, self.read("out"), self.read("err"))

    def read(self, name):
        with open(f"{self.scratch}/{name}", errors="replace") as file:
            return file.read()

    def ublkctl(self, *arguments, status=(0,)):
        done = self.spawn(self.program, *arguments)
        expect(done.status in status, f"ublkctl {' '.join(arguments)}: status {done.status}: {done.err or done.out}")
        return done

    def interrupted(self, at, what, *arguments):
        """The command, with that done to it; and the point that was hit, or None."""
        options = ["--at", at, "--do", what] if at else []
        done = self.spawn(f"{BUILD}/tests/interrupt", "--list", self.points, *options, "--", self.program, *arguments)
        return done, self.read("points").strip()

    def environment(self):
        return {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}

    def shown(self):
        """Device 0, or None."""
        done = self.ublkctl("show", "--json", "0", status=(0, 6))
        return None if done.status else json.loads(done.out)

    def left(self):
        """What there is of ours though no device is: None, or names."""
        names = [name for name in os.listdir(self.run_dir) if not name.startswith((".lock", "shm"))]
        found = names + [f"process {pid}" for pid in self.processes()] + self.nodes()
        return None if not found else found

    def processes(self):
        """Those of the program that live."""
        found = []
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as stat:
                    comm, rest = stat.read().split("(", 1)[1].rsplit(")", 1)
                if comm.startswith("ublkctl") and rest.split()[0] not in "ZX" and self.is_ours(name):
                    found.append(int(name))
            except OSError:
                pass
        return found

    def kill(self, pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def image(self, mib):
        """A file whose blocks tell where they belong."""
        path = f"{self.scratch}/image"
        with open(path, "wb") as image:
            image.write(b"".join(self.block(i) for i in range(mib * MIB // 4096)))
        return path

    @staticmethod
    def block(number):
        return f"{number:08}".encode() * 512

    def close(self):
        shutil.rmtree(self.scratch)


class Real(Machine):
    """The driver of this kernel, which is a guest's: whatever is called ublkctl is ours."""

    run_dir = "/run/ublkctl"

    def __init__(self):
        super().__init__(f"{BUILD}/cmd/ublkctl")
        os.makedirs(self.run_dir, exist_ok=True)

    def is_ours(self, pid):
        return True

    @staticmethod
    def nodes():
        return [name for name in os.listdir("/dev") if name.startswith("ublk") and name not in ("ublk", "ublk-control")]

    def fill(self, mib):
        self.in_time(lambda: self.transfer(True, mib))

    def verify(self, mib):
        self.in_time(lambda: self.transfer(False, mib))

    @staticmethod
    def in_time(work):
        """Nobody knows how long I/O takes on a device whose server is in trouble."""
        faults = []

        def caught():
            try:
                work()
            except (OSError, Fault) as fault:
                faults.append(str(fault))

        thread = threading.Thread(target=caught, daemon=True)
        thread.start()
        thread.join(TIMEOUT)
        expect(not thread.is_alive(), f"I/O had no end after {TIMEOUT} s")
        expect(not faults, f"I/O: {faults}")

    def transfer(self, writes, mib):
        """Of the first so many MiB, past the page cache."""
        fd = os.open("/dev/ublkb0", os.O_RDWR | os.O_DIRECT)
        buffer = mmap.mmap(-1, mib * MIB)
        want = b"".join(self.block(i) for i in range(mib * MIB // 4096))
        try:
            if writes:
                buffer.write(want)
                os.writev(fd, [buffer])
            else:
                os.readv(fd, [buffer])
                expect(buffer[:] == want, "acknowledged data is lost")
        finally:
            os.close(fd)


class Model(Machine):
    """The model of the driver: it has no clients, so what a ramdisk holds is not seen, and what a loop holds in its file."""

    def __init__(self):
        super().__init__(f"{BUILD}/tests/ublkctl_model")
        self.root = tempfile.mkdtemp(prefix="ublkctl-sweep-", dir="/dev/shm")
        self.run_dir = f"{self.root}/run"
        self.ublkctl("--version")

    def environment(self):
        return {**super().environment(), "UBLKCTL_MODEL_ROOT": self.root, "UBLKCTL_MODEL_TIMEOUT_MS": "10000"}

    def is_ours(self, pid):
        with open(f"/proc/{pid}/environ", "rb") as environment:
            return self.root.encode() in environment.read()

    def nodes(self):
        return [name for name in os.listdir(f"{self.root}/sys/class/ublk-char")]

    def fill(self, mib):
        pass

    def verify(self, mib):
        path = f"{self.scratch}/image"
        if os.path.exists(path):
            with open(path, "rb") as image:
                for number in range(mib * MIB // 4096):
                    expect(image.read(4096) == self.block(number), "acknowledged data is lost")

    def close(self):
        for pid in self.processes():
            self.kill(pid)
        shutil.rmtree(self.root)
        super().close()
