#!/usr/bin/env bats
# What fails below reaches the client as what it is, nothing else fails with it, and afterwards all goes on.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers
load paths

tmpfs=$BATS_FILE_TMPDIR/tmpfs
disk=/dev/mapper/patched
nbdkit=$BATS_FILE_TMPDIR/nbdkit
no_room='No space left on device' bad='Input/output error'

# Two small file systems; and on a network block device whose server fails when told to, a disk with a hole of errors.
setup_file() {
	make_ext4 6M
	mkdir "$tmpfs"
	mount -t tmpfs -o size=3M none "$tmpfs"
	nbdkit -f -U "$nbdkit.socket" --filter=error memory 32M error=ENOSPC error-rate=100% \
		error-file="$nbdkit.fail" 3>&- &
	echo $! >"$nbdkit.pid"
	modprobe nbd nbds_max=1 max_part=0
	wait_until 20 test -S "$nbdkit.socket"
	run_check nbd-client -unix "$nbdkit.socket" /dev/nbd0
	holed | run_check dmsetup create patched
	wait_until 20 test -b "$disk"
}

teardown_file() {
	dmsetup remove --retry patched
	nbd-client -d /dev/nbd0
	kill "$(<"$nbdkit.pid")"
	umount "$tmpfs" "$ext4"
}

# Tables of the disk: all well; an error in each read and write from 8 to 9 MiB; in each write
whole() { echo "0 65536 linear /dev/nbd0 0"; }
holed() { printf '%s\n' "0 16384 linear /dev/nbd0 0" "16384 2048 error" "18432 47104 linear /dev/nbd0 18432"; }
unwritable() { echo "0 65536 flakey /dev/nbd0 0 0 1000 1 error_writes"; }

# patch TABLE: no request is lost, and none is in flight
patch() {
	"$1" | run_check dmsetup reload patched
	run_check dmsetup resume --noudevsync patched
}

# full PATH KIND
full() {
	add_device "${target[@]}" --data-path "$1" -q 2
	run_check client fill "$dev" A:0:1048576
	told "$no_room" fill "$dev" B:8388608:8388608
	# Still: what is there is read and written, holes are read, what was written is made durable
	run_check client fill "$dev" C:0:65536 D:524288:4096
	run_check sync -d "$dev"
	peeked 0:1048576 "1048576 C65536A458752D4096A520192" 31457280:65536 "65536 [.]65536"
	told "$no_room" fill "$dev" B:25165824:4194304
	# There is room again, and nothing that failed is in the way.
	run_check blkdiscard -o 8M -l 20M "$dev"
	run_check client fill "$dev" F:12582912:524288
	run_check sync -d "$dev"
	peeked 12582912:1048576 "1048576 F524288[.]524288" 8388608:1048576 "1048576 [.]1048576"
	observe "$1"
	(($(tally errors) > 1))
	within 60 ublkctl del "$id"
}

# with_holes PATH: a device over the disk with errors, from here to there and not a byte more
with_holes() {
	run_check client fill /dev/nbd0 A:7340032:3145728
	patch holed
	add_device "${target[@]}" --data-path "$1" -q 2
	peeked 8388096:512 "512 A512" 8388608:512 "EIO E512" 9436672:512 "EIO E512" \
		9437184:512 "512 A512" 8323072:131072 "EIO [AE0-9]+" 7340032:1048576 "1048576 A1048576"
	run_check client fill "$dev" B:8384512:4096 C:9437184:4096
	peeked 8384512:4096 "4096 B4096" 9437184:4096 "4096 C4096"
}

# broken PATH KIND: past the page cache
broken() {
	with_holes "$1"
	told "$bad" fill "$dev" D:8388608:4096
	told "$bad" fill "$dev" D:9306112:262144
	patch unwritable
	told "$bad" fill "$dev" D:0:65536
	# Nothing was ever written there.
	peeked 8388608:4096 "4096 A4096"
	patch whole
	run_check client fill "$dev" E:8388608:65536
	peeked 8388608:131072 "131072 E65536A65536"
	# nbd makes EIO of all that its server may say.
	touch "$nbdkit.fail"
	told "$bad" fill "$dev" F:8388608:65536
	peeked 8388608:65536 "EIO E65536"
	rm "$nbdkit.fail"
	run_check client fill "$dev" F:8388608:4096
	peeked 8388608:131072 "131072 F4096E61440A65536"
	observe "$1"
	(($(tally errors) > 7))
	within 60 ublkctl del "$id"
}

# late PATH KIND: through the page cache a write that fails is one that FLUSH tells of, once
late() {
	with_holes "$1"
	run_check sync -d "$dev"
	run_check client fill "$dev" D:8388608:4096
	must_fail 1 sync -d "$dev"
	[[ $output == *"$bad"* ]]
	run_check sync -d "$dev"
	patch whole
	run_check client fill "$dev" E:8388608:65536
	run_check sync -d "$dev"
	within 60 ublkctl del "$id"
	dev=$disk peeked 8388608:131072 "131072 E65536A65536"
}

# Batches differ in how an answer goes back, and not in what it is.
@test "copy: a full file system" { over full copy files; }
@test "map: a full file system" { over full map tmpfs ext4-cached; }
@test "user-copy: a full file system" { over full user-copy files; }
@test "zero-copy: a full file system" { over full zero-copy files; }
@test "auto-reg: a full file system" { over full auto-reg ext4-direct; }
@test "batch-copy: a full file system" { over full batch-copy tmpfs; }
@test "batch-user-copy: a full file system" { over full batch-user-copy tmpfs; }
@test "batch-auto-reg: a full file system" { over full batch-auto-reg ext4-direct; }

@test "copy: a disk with errors" { over broken copy disk-direct; over late copy disk-cached; }
@test "map: a disk with errors" { over late map disk-cached; }
@test "user-copy: a disk with errors" { over broken user-copy disk-direct; over late user-copy disk-cached; }
@test "zero-copy: a disk with errors" { over broken zero-copy disk-direct; }
@test "auto-reg: a disk with errors" { over broken auto-reg disk-direct; }
@test "batch-copy: a disk with errors" { over broken batch-copy disk-direct; }
@test "batch-user-copy: a disk with errors" { over broken batch-user-copy disk-direct; }
@test "batch-auto-reg: a disk with errors" {
	over broken batch-auto-reg disk-direct
	over late batch-auto-reg disk-cached
}
