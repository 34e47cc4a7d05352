#!/usr/bin/env bats
# bats file_tags=short
# What is written is what is read back: large and small requests, deep and over two queues, whatever the data lies on.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

half=$(rounds 12) # MiB, less where all is slow
if ((half > 12)); then half=12; fi

# fio_verify OPTION...: two jobs, one a queue, each on its half
fio_verify() {
	run_check fio --name=verify --filename="$dev" --direct=1 --ioengine=io_uring --iodepth=32 --numjobs=2 --thread \
		--cpus_allowed=0,1 --cpus_allowed_policy=split --size="${half}m" --offset_increment="${half}m" --rw=randwrite \
		--bssplit="$sizes" --verify=crc32c --verify_fatal=1 --group_reporting "$@"
}

# verify_twice KIND: write and verify; then all of it once more, for a file through a new device
verify_twice() {
	sizes=512/20:4k/30:12k/10:64k/30:1m/10
	if [[ $1 == sector ]]; then sizes=4k/40:12k/20:64k/30:1m/10; fi
	make_data "$1" 64M
	add_device "${target[@]}" -q 2
	fio_verify
	shown '.queues | length == 2 and all(.writes > 2 * '"$half"' and .reads > 2 * '"$half"' and .errors == 0)'
	if [[ $1 != ramdisk ]]; then
		ublkctl del "$dev"
		add_device "${target[@]}" -q 2
	fi
	fio_verify --verify_only
}

@test "ramdisk: mixed writes verify" { verify_twice ramdisk; }
@test "loop over a sparse file: mixed writes verify" { verify_twice sparse; }
@test "loop over a full file: mixed writes verify" { verify_twice full; }
@test "loop at an offset: mixed writes verify" { verify_twice offset; }
@test "loop over a device with 4096-byte sectors: mixed writes verify" { verify_twice sector; }
@test "loop over a file on ext4, direct I/O: mixed writes verify" {
	verify_twice direct
	# O_DIRECT is 040000; which of the handler's files it is does not matter here.
	grep -qE '^flags:.*[4-7][0-7]{4}$' /proc/"$pid"/fdinfo/*
}

@test "verification sees a single byte that is wrong" {
	sizes=4k
	make_data ramdisk 64M
	add_device "${target[@]}"
	fio_verify
	printf X | dd of="$dev" bs=1 seek=$((half << 20 | 1)) conv=notrunc status=none
	must_fail any fio_verify --verify_only
}

@test "loop keeps within its offset and size limit" {
	file=$tmp/image
	run_check dd if=/dev/urandom of="$file" bs=1M count=6
	cp "$file" "$tmp/before"
	add_device -t loop -f "$file" --offset 1M --size-limit 4M
	same "$(blockdev --getsize64 "$dev")" $((4 << 20)) size
	cmp "$dev" <(tail -c +$(((1 << 20) + 1)) "$tmp/before" | head -c 4M)
	run_check dd if=/dev/zero of="$dev" bs=1M oflag=direct count=4
	blkdiscard "$dev"
	must_fail 1 dd if=/dev/zero of="$dev" bs=1M oflag=direct seek=4 count=1
	ublkctl del "$dev"
	cmp -n $((1 << 20)) "$file" "$tmp/before"
	cmp -i $((5 << 20)) "$file" "$tmp/before"
	must_fail 1 cmp -n $((1 << 20)) -i $((1 << 20)) "$file" "$tmp/before"
}

@test "null reads zeroes and takes writes" {
	add_device -t null --size 1G
	run_check dd if=/dev/urandom of="$dev" bs=1M count=2 oflag=direct
	cmp -n $((2 << 20)) "$dev" /dev/zero
}
