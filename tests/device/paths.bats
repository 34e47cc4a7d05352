#!/usr/bin/env bats
# bats file_tags=short
# Every data path over everything that it suits: what is written is what is read, holes are holes, a file system is well
# (over tmpfs), and a handler that dies takes nobody with it (over all else). A device goes through all of it; run_check
# says what failed. Batches differ in how requests come and go, so that they need no file in the page cache.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers
load paths

# A file system's requests are others than ours: of the kernel's own memory, with FLUSH and FUA.
file_system() {
	run_check mkfs.ext4 -q -F "$dev"
	mount_at "$dev" "$tmp/mnt"
	run_check cp -a "$BATS_TEST_DIRNAME" "$tmp/mnt/tests"
	within 60 umount "$tmp/mnt"
	within 60 e2fsck -fn "$dev"
	run_check mount "$dev" "$tmp/mnt"
	run_check diff -r "$BATS_TEST_DIRNAME" "$tmp/mnt/tests"
	within 60 umount "$tmp/mnt"
}

# Neither did the block layer write zeroes itself, nor was there an error that somebody tried again after.
counted() {
	observe "$1"
	(($(tally discards) > 0 && $(tally write_zeroes) > 2 && $(tally reads) > 100 && $(tally writes) > 100))
	same "$(tally errors)" 0 errors
}

killed() {
	client load "$dev" >"$tmp/load" 3>&- &
	defer wait_until 30 gone $!
	# Not in_flight: it may be so hard at it that one looks only while nothing is.
	wait_until 30 test -s "$tmp/load"
	kill -KILL "$pid"
	wait_until 30 gone $!
	same "$(<"$tmp/load")" $'at it\nEIO' "what the client gets"
	wait_until 30 gone "$pid"
	within 30 ublkctl del "$id"
	[[ ! -e $dev && ! -e /sys/class/ublk-char/ublkc$id ]]
}

# whole PATH KIND
whole() {
	add_device "${target[@]}" --data-path "$1" -q 2
	run_check client verify "$dev"
	run_check client holes "$dev"
	counted "$1"
	if [[ $2 != tmpfs ]]; then killed; return; fi
	file_system
	within 60 ublkctl del "$id"
}

# nothing PATH KIND: null keeps nothing
nothing() {
	add_device "${target[@]}" --data-path "$1" -q 2
	run_check client fill "$dev" A:0:1048576 B:1048576:512
	within 60 blkdiscard -f "$dev"
	within 60 blkdiscard -z "$dev"
	if [[ $2 == null ]]; then peeked 0:1049088 "1049088 [.]1049088"; fi
	observe "$1"
	(($(tally discards) > 0 && $(tally write_zeroes) > 0 && $(tally writes) > 1))
	same "$(tally errors)" 0 errors
	if [[ $2 != null ]]; then killed; return; fi
	within 60 ublkctl del "$id"
}

@test "copy, files: verify, holes, ext4, death" { over whole copy files; }
@test "map, files: verify, holes, ext4, death" { over whole map tmpfs ext4-cached; }
@test "user-copy, files: verify, holes, ext4, death" { over whole user-copy files; }
@test "zero-copy, files: verify, holes, ext4, death" { over whole zero-copy files; }
@test "auto-reg, files: verify, holes, ext4, death" { over whole auto-reg files; }
@test "batch-copy, files: verify, holes, ext4, death" { over whole batch-copy tmpfs ext4-direct; }
@test "batch-user-copy, files: verify, holes, ext4, death" { over whole batch-user-copy tmpfs ext4-direct; }
@test "batch-auto-reg, files: verify, holes, ext4, death" { over whole batch-auto-reg tmpfs ext4-direct; }

@test "direct, ramdisk: verify, holes, death" { over whole direct ramdisk; }
@test "user-copy, ramdisk: verify, holes, death" { over whole user-copy ramdisk; }
@test "batch-user-copy, ramdisk: verify, holes, death" { over whole batch-user-copy ramdisk; }

@test "direct, null: writes, holes, zeroes, death" { over nothing direct null null-any; }
@test "user-copy, null: writes, holes, zeroes, death" { over nothing user-copy null null-any; }
@test "batch-user-copy, null: writes, holes, zeroes, death" { over nothing batch-user-copy null null-any; }

# tmpfs takes the pages that it has room for, and says how many bytes they were. One request, and room for 3 of its 16
# pages: of more than one, another would find no room at all, and its error would hide what became of this one.
@test "a write for a part of which there is no room is an error, on every path" {
	local path small=$tmp/small
	mkdir "$small"
	mount -t tmpfs -o size=256K none "$small"
	defer umount "$small"
	for path in copy map user-copy zero-copy auto-reg batch-copy batch-user-copy batch-auto-reg; do
		if ! driver_has "$path"; then continue; fi
		printf 'path %s:\n' "$path"
		rm -f "$small/image"
		truncate -s 1M "$small/image"
		add_device -t loop -f "$small/image" --data-path "$path"
		run_check client fill "$dev" A:0:249856
		told 'No space left on device' fill "$dev" B:524288:65536
		within 60 ublkctl del "$id"
	done
}

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
	local kind
	for kind in tmpfs ramdisk null; do
		make_home "$kind"
		add_device "${target[@]}" --data-path auto
		run_check ublkctl show --json "$id"
		[[ $output =~ \"data_path\":\"([a-z-]+)\" ]]
		driver_has "${BASH_REMATCH[1]}"
		reads "$dev"
	done
}
