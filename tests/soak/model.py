"""What must be true of a device: its state, and what is in it."""
from blocks import Blocks


class Device:
    """States: live; lost (no server, can be recovered); stopped; dead (no server, cannot be recovered)."""

    def __init__(self, step):
        self.number = step["number"]
        self.place = step["place"]  # null, ramdisk, or where loop's data lies: file, full (a small file system), disk
        self.mode = step["recovery"]
        self.respawn = step["respawn"] and self.mode != "none"
        self.name = f"soak{self.number}" if step["named"] else None
        self.blocks = Blocks(self.number, step["mib"] << 20, self.place == "null")
        self.file = None
        self.id = self.pid = self.keeper = None
        self.state = "live"
        self.data_lost = False

    @property
    def path(self):
        return f"/dev/ublkb{self.id}"

    def called(self, rng):
        """One of the ways to say which device is meant."""
        return rng.choice([str(self.id), self.path if self.state == "live" else str(self.id), self.name or str(self.id)])

    @property
    def respawns(self):
        return self.respawn and self.keeper is not None

    def died(self):
        """Its server has."""
        if self.mode == "none":
            self.state = "dead"
        else:
            self.lost()

    def lost(self):
        self.state = "lost"
        self.data_lost = self.place == "ramdisk" and self.keeper is None

    def kernel_states(self):
        return {"live": ("LIVE",), "stopped": ("DEAD",), "dead": ("DEAD",),
                "lost": ("FAIL_IO",) if self.mode == "fail" else ("QUIESCED",)}[self.state]

    def collectable(self):
        """gc takes it"""
        return self.state == "dead" or (self.state == "lost" and self.data_lost)
