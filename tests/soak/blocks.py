"""What is in a device, block by block, and a client that writes and verifies it."""
import errno
import mmap
import os
import struct
import threading

from fault import Fault, expect

BLOCK = 4096


class Blocks:
    """For each block the versions that it may hold: one, or more when a write of it may or may not have happened. Version 0 is
    zeroes."""

    def __init__(self, number, size, nowhere):
        self.number, self.size, self.nowhere = number, size, nowhere
        self.held = {}
        self.version = 0

    def count(self):
        return self.size // BLOCK

    def may_hold(self, block):
        return self.held.get(block, {0})

    def content(self, block, version):
        if version == 0 or self.nowhere:
            return bytes(BLOCK)
        return struct.pack("<QQQQ", self.number, block, version, ~version & (1 << 64) - 1) * (BLOCK // 32)

    def resize(self, size, stays=False):
        """What is cut off is lost; what comes anew is zeroes. stays: it may have stayed in the file, and come back."""
        inside = {block: versions for block, versions in self.held.items() if (block + 1) * BLOCK <= size}
        outside = {block: versions | {0} for block, versions in self.held.items() if block not in inside}
        self.held = {**inside, **outside} if stays else inside
        self.size = size

    def next_version(self):
        self.version += 1
        return self.version

    def wrong(self, block, data):
        """None, or what is wrong with these bytes."""
        versions = {0} if self.nowhere else self.may_hold(block)
        if any(data == self.content(block, version) for version in versions):
            return None
        words = struct.unpack("<QQQQ", data[:32])
        whole = data == data[:32] * (BLOCK // 32)
        return f"block {block} of device {self.number} has {'' if whole else 'torn '}{words}, not versions {sorted(versions)}"


class Client:
    """Does direct I/O in a thread of its own, since nobody knows how long it takes."""

    BOUND = 60  # seconds that any of it may take

    def __init__(self, device):
        self.device, self.blocks = device, device.blocks
        self.buffer = mmap.mmap(-1, BLOCK)
        self.thread, self.errors = None, []

    def start(self, rng, writes, sync=False):
        """So many writes at random places, in the background. One that fails may have happened or not."""
        fd = os.open(self.device.path, os.O_RDWR | os.O_DIRECT | (os.O_SYNC if sync else 0))
        chosen = [rng.randrange(self.blocks.count()) for _ in range(writes)]
        self.thread = threading.Thread(target=self.write_all, args=(fd, chosen), daemon=True)
        self.thread.start()

    def write_all(self, fd, chosen):
        for block in chosen:
            version = self.blocks.next_version()
            before = self.blocks.may_hold(block)
            self.blocks.held[block] = before | {version}
            self.buffer[:] = self.blocks.content(block, version)
            try:
                done = os.pwritev(fd, [self.buffer], block * BLOCK)
                if done != BLOCK:
                    raise OSError(errno.EIO, f"short write of {done}")
                self.blocks.held[block] = {version}
            except OSError as error:
                self.errors.append(f"block {block}: {error.strerror}")
                if error.errno not in (errno.EIO, errno.ENOSPC):
                    break
        os.close(fd)

    def finish(self):
        """The errors; all must have been answered."""
        self.thread.join(self.BOUND)
        if self.thread.is_alive():
            raise Fault(f"a write to device {self.device.id} has no answer after {self.BOUND} s")
        return self.errors

    def read_all(self, fd, wrong, counted):
        buffer = mmap.mmap(-1, 1 << 20)
        for start in range(0, self.blocks.size, 1 << 20):
            try:
                got = os.preadv(fd, [memoryview(buffer)[:min(1 << 20, self.blocks.size - start)]], start)
            except OSError as error:
                wrong.append(f"read at {start}: {error.strerror}")
                break
            for at in range(0, got, BLOCK):
                counted.append(BLOCK)
                said = self.blocks.wrong((start + at) // BLOCK, buffer[at:at + BLOCK])
                if said:
                    wrong.append(said)
        os.close(fd)

    def verify(self):
        """Every byte of it; how many they were."""
        wrong, counted = [], []
        fd = os.open(self.device.path, os.O_RDONLY | os.O_DIRECT)
        thread = threading.Thread(target=self.read_all, args=(fd, wrong, counted), daemon=True)
        thread.start()
        thread.join(self.BOUND)
        if thread.is_alive():
            raise Fault(f"a read of device {self.device.id} has no answer after {self.BOUND} s")
        if wrong:
            raise Fault(f"{len(wrong)} wrong: {wrong[0]}")
        return sum(counted)

    def write_and_verify(self, rng):
        self.start(rng, 100)
        errors = self.finish()
        expect(not errors, f"errors of a device that is well: {errors[:3]}")
        return self.verify()
