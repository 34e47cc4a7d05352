#!/usr/bin/env bats
# Nobody is shown memory that is not theirs. A file is cut behind the device's back while all of the handler's buffers
# hold a pattern (P): a read behind the new end is an error, and whatever it left in the client's memory is not that.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers
load paths

# peek OFFSET LENGTH: a read into memory full of E; $got is its result, $tmp/seen what is in that memory then
peek() { got=$(timeout -k 5 30 "$client" peek "$dev" "$1" "$2" "$tmp/seen"); }

# no_leak: neither what the buffers held nor what was in the file there
no_leak() {
	if grep -q P "$tmp/seen"; then same "$(tr -dc P <"$tmp/seen" | wc -c)" 0 "bytes of poison at $1, read: $got"; fi
}

# past_end OFFSET LENGTH: a read that begins behind the end of the file
past_end() {
	peek "$1" "$2"
	same "$got" EIO "a read at $1"
	no_leak "$1"
}

# across_end OFFSET LENGTH KEPT: of which only so much is in the file. It fails; but the last page of a mapped file is
# there as a whole, the rest of it zeroes, so that a read that ends within it may succeed.
across_end() {
	peek "$1" "$2"
	no_leak "$1"
	if [[ $got == EIO ]]; then return; fi
	[[ $path =~ ^(map|user-copy|batch-user-copy)$ && $kind != *-direct ]] || same "$got" EIO "a read across the end"
	((($1 + $3 + 4095) / 4096 * 4096 >= $1 + $2))
	cmp "$tmp/seen" <(pattern A "$3"; head -c $(($2 - $3)) /dev/zero)
}

# readable END: all that is still in the file is right. Past the page cache, where a page may be across the end.
readable() {
	run_check dd if="$dev" of="$tmp/seen" bs=64K count=$(($1 / 65536)) iflag=direct
	cmp -n $(($1 / 65536 * 65536)) "$tmp/seen" "$tmp/letters"
}

# cut_at END: truncated there; the file has A up to 1 MiB and P behind it, and so have the buffers
cut_at() {
	local end=$1
	truncate -s "$end" "$file"
	past_end $((3 << 20)) 4096
	past_end $((3 << 20)) 65536
	past_end $(((end + 4095) / 4096 * 4096)) 512
	past_end $(((end + 4095) / 4096 * 4096)) 65536
	across_end $((end / 65536 * 65536 - 65536)) $((1 << 18)) $((end % 65536 + 65536))
	if ((end % 512)); then
		across_end $((end / 4096 * 4096)) 4096 $((end % 4096))
		across_end $((end / 512 * 512)) 512 $((end % 512))
	fi
	if ((end % 4096 >= 512)); then
		peek $((end / 4096 * 4096)) 512
		same "$got" 512 "the last whole sector"
		cmp "$tmp/seen" <(pattern A 512)
	fi
	readable "$end"
}

# poisoned PATH KIND
poisoned() {
	local path=$1 kind=$2
	make_home "$2"
	if ! driver_has "$1"; then lacks "$1" "${target[@]}"; return; fi
	# Few tags and small buffers: 64 requests at a time fill them all.
	add_device "${target[@]}" --data-path "$1" -d 4 --max-io-size 64K
	is_on "$1"
	{ pattern A 1M; pattern P 3M; } >"$tmp/letters"
	run_check dd if="$tmp/letters" of="$dev" bs=4M oflag=direct
	cut_at $(((1 << 20) - 65536 + 5 * 512 + 100))
	# Once more, with poison in the buffers again, at the end of a page
	truncate -s 32M "$file"
	run_check dd if="$tmp/letters" of="$dev" bs=4M oflag=direct
	cut_at $(((1 << 20) - 65536 + 8192))
	# Another file, that one, as long as before: what was cut off is zeroes, and all is well
	truncate -s 32M "$file"
	peek $((2 << 20)) 65536
	same "$got" 65536 "a read of what is there again"
	cmp -n 65536 "$tmp/seen" /dev/zero
	run_check dd if="$tmp/letters" of="$dev" bs=4M oflag=direct
	within 60 cmp -n $((4 << 20)) "$dev" "$tmp/letters"
	within 60 ublkctl del "$id"
	cmp -n $((4 << 20)) "$file" "$tmp/letters"
}

@test "copy, tmpfs file: cut" { poisoned copy tmpfs; }
@test "map, tmpfs file: cut" { poisoned map tmpfs; }
@test "user-copy, tmpfs file: cut" { poisoned user-copy tmpfs; }
@test "zero-copy, tmpfs file: cut" { poisoned zero-copy tmpfs; }
@test "auto-reg, tmpfs file: cut" { poisoned auto-reg tmpfs; }
@test "batch-copy, tmpfs file: cut" { poisoned batch-copy tmpfs; }
@test "batch-user-copy, tmpfs file: cut" { poisoned batch-user-copy tmpfs; }
@test "batch-auto-reg, tmpfs file: cut" { poisoned batch-auto-reg tmpfs; }

@test "copy, ext4 file, direct I/O: cut" { poisoned copy ext4-direct; }
@test "user-copy, ext4 file, direct I/O: cut" { poisoned user-copy ext4-direct; }
@test "zero-copy, ext4 file, direct I/O: cut" { poisoned zero-copy ext4-direct; }
@test "auto-reg, ext4 file, direct I/O: cut" { poisoned auto-reg ext4-direct; }
@test "batch-copy, ext4 file, direct I/O: cut" { poisoned batch-copy ext4-direct; }
@test "batch-user-copy, ext4 file, direct I/O: cut" { poisoned batch-user-copy ext4-direct; }
@test "batch-auto-reg, ext4 file, direct I/O: cut" { poisoned batch-auto-reg ext4-direct; }

@test "copy, ext4 file, page cache: cut" { poisoned copy ext4-cached; }
@test "map, ext4 file, page cache: cut" { poisoned map ext4-cached; }
@test "user-copy, ext4 file, page cache: cut" { poisoned user-copy ext4-cached; }
@test "zero-copy, ext4 file, page cache: cut" { poisoned zero-copy ext4-cached; }
@test "auto-reg, ext4 file, page cache: cut" { poisoned auto-reg ext4-cached; }
@test "batch-copy, ext4 file, page cache: cut" { poisoned batch-copy ext4-cached; }
@test "batch-user-copy, ext4 file, page cache: cut" { poisoned batch-user-copy ext4-cached; }
@test "batch-auto-reg, ext4 file, page cache: cut" { poisoned batch-auto-reg ext4-cached; }

# zeroes PATH: null fills all of a reader's memory, also after writes of something else
zeroes() {
	make_home null
	if ! driver_has "$1"; then lacks "$1" "${target[@]}"; return; fi
	add_device "${target[@]}" --data-path "$1"
	is_on "$1"
	pattern P 1M >"$tmp/letters"
	run_check dd if="$tmp/letters" of="$dev" bs=1M count=1 oflag=direct
	for length in 512 4096 65536 $((1 << 20)); do
		peek 65536 "$length"
		same "$got" "$length" "a read"
		cmp -n "$length" "$tmp/seen" /dev/zero
	done
}

@test "direct, null: a reader's memory is zeroes" { zeroes direct; }
@test "user-copy, null: a reader's memory is zeroes" { zeroes user-copy; }
@test "batch-user-copy, null: a reader's memory is zeroes" { zeroes batch-user-copy; }
