#!/usr/bin/env bats
# Nobody is shown memory that is not theirs. A file is cut behind the device's back while all of the handler's buffers
# hold a pattern (P): a read behind the new end is an error, and whatever it left in the client's memory is not that.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers
load paths

# across OFFSET LENGTH KEPT: adds to $checks a read of which only so much is in the file. It fails, and what comes before
# may have reached the client, and zeroes. But the last page of a mapped file is there as a whole, the rest of it zeroes,
# so that a read that ends within it may succeed.
across() {
	local want='EIO [AE.0-9]+'
	if [[ $path =~ ^(map|user-copy|batch-user-copy)$ && $kind != *-direct ]] &&
		((($1 + $3 + 4095) / 4096 * 4096 >= $1 + $2)); then
		want+="|$2 A$3[.]$(($2 - $3))"
	fi
	checks+=("$1:$2" "$want")
}

# cut_at END: truncated there; the file has A up to 1 MiB and P behind it, and so have the buffers
cut_at() {
	local end=$1 page=$(($1 / 4096 * 4096)) whole=$(($1 / 65536 * 65536)) after=$((($1 + 4095) / 4096 * 4096))
	local checks=($((3 << 20)):4096 'EIO E4096' $((3 << 20)):65536 'EIO E65536'
		"$after:512" 'EIO E512' "$after:65536" 'EIO E65536' "0:$whole" "$whole A$whole")
	truncate -s "$end" "$file"
	across $((whole - 65536)) $((1 << 18)) $((end - whole + 65536))
	if ((end % 512)); then
		across "$page" 4096 $((end % 4096))
		across $((end / 512 * 512)) 512 $((end % 512))
	fi
	if ((end % 4096 >= 512)); then checks+=("$page:512" '512 A512'); fi
	peeked "${checks[@]}"
}

# poisoned PATH KIND
poisoned() {
	local path=$1 kind=$2 letters=(A:0:1048576 P:1048576:3145728)
	local there=(0:1048576 "1048576 A1048576" 1048576:3145728 "3145728 P3145728")
	# Few tags and small buffers: 64 requests at a time fill them all.
	add_device "${target[@]}" --data-path "$path" -d 4 --max-io-size 64K
	run_check client fill "$dev" "${letters[@]}"
	peeked "${there[@]}"
	cut_at $(((1 << 20) - 65536 + 5 * 512 + 100))
	# Once more, with poison in the buffers again, at the end of a page
	truncate -s 32M "$file"
	run_check client fill "$dev" "${letters[@]}"
	cut_at $(((1 << 20) - 65536 + 8192))
	truncate -s 32M "$file"
	run_check client race "$dev" "$file"
	# Again as long as before: what was cut off is zeroes, and all is well
	truncate -s 1M "$file"
	truncate -s 32M "$file"
	peeked $((2 << 20)):65536 "65536 [.]65536"
	run_check client fill "$dev" "${letters[@]}"
	observe "$path"
	(($(tally errors) > 9))
	within 60 ublkctl del "$id"
	dev=$file peeked "${there[@]}"
}

@test "copy: a file that is cut" { over poisoned copy files; }
@test "map: a file that is cut" { over poisoned map tmpfs ext4-cached; }
@test "user-copy: a file that is cut" { over poisoned user-copy files; }
@test "zero-copy: a file that is cut" { over poisoned zero-copy files; }
@test "auto-reg: a file that is cut" { over poisoned auto-reg files; }
@test "batch-copy: a file that is cut" { over poisoned batch-copy tmpfs ext4-direct; }
@test "batch-user-copy: a file that is cut" { over poisoned batch-user-copy tmpfs ext4-direct; }
@test "batch-auto-reg: a file that is cut" { over poisoned batch-auto-reg tmpfs ext4-direct; }

# zeroes PATH: null fills all of a reader's memory, also after writes of something else
zeroes() {
	add_device "${target[@]}" --data-path "$1"
	run_check client fill "$dev" P:0:1048576
	peeked 65536:512 "512 [.]512" 65536:4096 "4096 [.]4096" 65536:65536 "65536 [.]65536" \
		65536:1048576 "1048576 [.]1048576"
}

@test "direct, null: a reader's memory is zeroes" { over zeroes direct null; }
@test "user-copy, null: a reader's memory is zeroes" { over zeroes user-copy null; }
@test "batch-user-copy, null: a reader's memory is zeroes" { over zeroes batch-user-copy null; }
