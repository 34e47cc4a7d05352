#!/usr/bin/env bats
# Every data path over everything that it suits: what is written is what is read, holes are holes, and a handler that
# dies takes nobody with it. One device goes through all of it; run_check says what failed.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers
load paths

# Two jobs, 16 MiB together
verified() {
	run_check timeout -k 5 120 fio --name=verify --filename="$dev" --direct=1 --ioengine=libaio --iodepth=16 \
		--numjobs=2 --thread --size=8m --offset_increment=8m --rw=randwrite \
		--bssplit=4k/40:20k/15:64k/25:512k/20 --verify=crc32c --verify_fatal=1
}

file_system() {
	run_check mkfs.ext4 -q -F "$dev"
	mount_at "$dev" "$tmp/mnt"
	run_check cp -a "$BATS_TEST_DIRNAME" "$tmp/mnt/tests"
	run_check cp "$UBLKCTL" "$tmp/mnt/program"
	within 60 sync -f "$tmp/mnt"
	within 60 umount "$tmp/mnt"
	run_check mount "$dev" "$tmp/mnt"
	run_check diff -r "$BATS_TEST_DIRNAME" "$tmp/mnt/tests"
	run_check cmp "$UBLKCTL" "$tmp/mnt/program"
	within 60 umount "$tmp/mnt"
	within 60 e2fsck -fn "$dev"
}

reads_zero() { within 60 cmp -n $((32 << 20)) "$dev" /dev/zero; }

# Of 4 MiB of letters, that from 1 to 3 MiB is zeroed in the three ways that a client can ask for it.
holes() {
	within 60 blkdiscard -f "$dev"
	reads_zero
	pattern A 4M >"$tmp/wanted"
	run_check dd if="$tmp/wanted" of="$dev" bs=1M oflag=direct
	within 60 cmp -n $((4 << 20)) "$dev" "$tmp/wanted"
	run_check dd if=/dev/zero of="$tmp/wanted" bs=1M seek=1 count=2 conv=notrunc
	within 60 blkdiscard -z -o 1M -l 1M "$dev"
	within 60 fallocate -z -o 2M -l 512K "$dev"
	within 60 fallocate -p -o 2560K -l 512K "$dev"
	within 60 cmp -n $((4 << 20)) "$dev" "$tmp/wanted"
}

# Neither did the block layer write zeroes itself, nor was there an error that somebody tried again after.
counted() {
	local counters
	read -ra counters <<<"$(of_queues discards write_zeroes errors)"
	((counters[0] > 0 && counters[1] > 2 && counters[2] == 0))
}

killed() {
	load_device --rw=randrw
	kill -KILL "$pid"
	client_fails
	wait_until 30 gone "$pid"
	within 30 ublkctl del "$id"
	[[ ! -e $dev && ! -e /sys/class/ublk-char/ublkc$id ]]
}

# whole PATH KIND
whole() {
	make_home "$2"
	if ! driver_has "$1"; then lacks "$1" "${target[@]}"; return; fi
	add_device "${target[@]}" --data-path "$1" -q 2
	is_on "$1"
	verified
	file_system
	holes
	counted
	killed
}

# nothing PATH KIND: null keeps nothing
nothing() {
	make_home "$2"
	if ! driver_has "$1"; then lacks "$1" "${target[@]}"; return; fi
	add_device "${target[@]}" --data-path "$1" -q 2
	is_on "$1"
	run_check timeout -k 5 120 fio --name=load --filename="$dev" --direct=1 --ioengine=libaio --iodepth=16 \
		--rw=randrw --bssplit=4k/40:20k/15:64k/25:512k/20 --size=16m
	within 60 blkdiscard -f "$dev"
	within 60 blkdiscard -z "$dev"
	same "$(of_queues errors)" 0 errors
	if [[ $2 == null ]]; then reads_zero; fi
	killed
}

@test "copy, tmpfs file: verify, ext4, holes, death" { whole copy tmpfs; }
@test "map, tmpfs file: verify, ext4, holes, death" { whole map tmpfs; }
@test "user-copy, tmpfs file: verify, ext4, holes, death" { whole user-copy tmpfs; }
@test "zero-copy, tmpfs file: verify, ext4, holes, death" { whole zero-copy tmpfs; }
@test "auto-reg, tmpfs file: verify, ext4, holes, death" { whole auto-reg tmpfs; }
@test "batch-copy, tmpfs file: verify, ext4, holes, death" { whole batch-copy tmpfs; }
@test "batch-user-copy, tmpfs file: verify, ext4, holes, death" { whole batch-user-copy tmpfs; }
@test "batch-auto-reg, tmpfs file: verify, ext4, holes, death" { whole batch-auto-reg tmpfs; }

@test "copy, ext4 file, direct I/O: verify, ext4, holes, death" { whole copy ext4-direct; }
@test "user-copy, ext4 file, direct I/O: verify, ext4, holes, death" { whole user-copy ext4-direct; }
@test "zero-copy, ext4 file, direct I/O: verify, ext4, holes, death" { whole zero-copy ext4-direct; }
@test "auto-reg, ext4 file, direct I/O: verify, ext4, holes, death" { whole auto-reg ext4-direct; }
@test "batch-copy, ext4 file, direct I/O: verify, ext4, holes, death" { whole batch-copy ext4-direct; }
@test "batch-user-copy, ext4 file, direct I/O: verify, ext4, holes, death" { whole batch-user-copy ext4-direct; }
@test "batch-auto-reg, ext4 file, direct I/O: verify, ext4, holes, death" { whole batch-auto-reg ext4-direct; }

@test "copy, ext4 file, page cache: verify, ext4, holes, death" { whole copy ext4-cached; }
@test "map, ext4 file, page cache: verify, ext4, holes, death" { whole map ext4-cached; }
@test "user-copy, ext4 file, page cache: verify, ext4, holes, death" { whole user-copy ext4-cached; }
@test "zero-copy, ext4 file, page cache: verify, ext4, holes, death" { whole zero-copy ext4-cached; }
@test "auto-reg, ext4 file, page cache: verify, ext4, holes, death" { whole auto-reg ext4-cached; }
@test "batch-copy, ext4 file, page cache: verify, ext4, holes, death" { whole batch-copy ext4-cached; }
@test "batch-user-copy, ext4 file, page cache: verify, ext4, holes, death" { whole batch-user-copy ext4-cached; }
@test "batch-auto-reg, ext4 file, page cache: verify, ext4, holes, death" { whole batch-auto-reg ext4-cached; }

@test "direct, ramdisk: verify, ext4, holes, death" { whole direct ramdisk; }
@test "user-copy, ramdisk: verify, ext4, holes, death" { whole user-copy ramdisk; }
@test "batch-user-copy, ramdisk: verify, ext4, holes, death" { whole batch-user-copy ramdisk; }

@test "direct, null: load, holes, zeroes, death" { nothing direct null; }
@test "user-copy, null: load, holes, zeroes, death" { nothing user-copy null; }
@test "batch-user-copy, null: load, holes, zeroes, death" { nothing batch-user-copy null; }
@test "direct, null that reads anything: load, holes, death" { nothing direct null-any; }
@test "user-copy, null that reads anything: load, holes, death" { nothing user-copy null-any; }
@test "batch-user-copy, null that reads anything: load, holes, death" { nothing batch-user-copy null-any; }

@test "a path that does not suit the target is refused" {
	local kind path suits
	for kind in tmpfs ext4-direct ramdisk null; do
		make_home "$kind"
		case $kind in
		tmpfs) suits='copy map user-copy zero-copy auto-reg batch-copy batch-user-copy batch-auto-reg' ;;
		*-direct) suits='copy user-copy zero-copy auto-reg batch-copy batch-user-copy batch-auto-reg' ;;
		*) suits='direct user-copy batch-user-copy' ;;
		esac
		for path in copy direct map user-copy zero-copy auto-reg batch-copy batch-user-copy batch-auto-reg; do
			if [[ " $suits " != *" $path "* ]]; then
				refused 3 "data path $path does not suit" ublkctl add "${target[@]}" --data-path "$path"
			fi
		done
	done
	no_processes
}

@test "auto is a path that the driver has" {
	local kind path
	for kind in tmpfs ramdisk null; do
		make_home "$kind"
		add_device "${target[@]}" --data-path auto
		path=$(listed ".[] | select(.id == $id).data_path")
		driver_has "$path"
		reads "$dev"
	done
}
