#!/usr/bin/env bats
# A new handler for a device in use: no I/O error, no wrong byte, and how long clients wait.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

# quiesces: whether this driver lets requests wait while their server changes
quiesces() { (($(uname -r | cut -d. -f1) >= 7)); }

data() {
	case $1 in
	ramdisk) target=(-t ramdisk --size 256M) ;;
	loop) truncate -s 256M "$tmp/image"; target=(-t loop -f "$tmp/image") ;;
	esac
}

# upgrade: another process serves afterwards
upgrade() {
	local old
	old=$(handler)
	within 30 ublkctl upgrade "$id"
	same "$output" ""
	gone "$old"
	alive "$(handler)"
	[[ $(<"$run_dir/$id.json") == *'"recovering":false'* ]]
}

# under_verify COUNT KIND OPTION...: so many upgrades under fio; what its slowest request has waited is told
under_verify() {
	local i count
	count=$(rounds "$1")
	shift
	data "$1"
	add_device "${target[@]}" "${@:2}"
	verifying
	for ((i = 0; i < count; i++)); do
		upgrade
		goes_on
		alive "$client"
	done
	verified
	echo "# upgrade, ${*}: the longest wait of $count: $(longest_wait) ms" >&3
	ublkctl del "$id"
}

# fio's line is like: clat (usec): min=78, max=1834k, avg=...
longest_wait() {
	awk '/ lat \((nsec|usec|msec)\)/ {
		match($0, /max= *[0-9.]+k?/); n = substr($0, RSTART + 4, RLENGTH - 4)
		if (n ~ /k$/) n = n * 1000
		unit = $0 ~ /nsec/ ? 1e6 : $0 ~ /usec/ ? 1e3 : 1
		if (n / unit > most) most = n / unit
	} END { printf "%.1f", most }' "$tmp/fio"
}

@test "loop: upgrades under fio verify" { under_verify 10 loop --recovery reissue; }
@test "ramdisk: upgrades under fio verify" { under_verify 10 ramdisk --recovery reissue; }
@test "loop, two queues with two threads each: upgrades under fio verify" {
	if quiesces; then
		under_verify 5 loop --recovery reissue -q 2 --threads 2
	else
		data loop
		refused 3 "lets one thread serve a queue" ublkctl add "${target[@]}" --recovery reissue --threads 2
	fi
}
@test "mode queue: upgrades under fio verify, or status 3" {
	local kind
	if quiesces; then
		truncate -s 16M "$tmp/image"
		add_device -t loop -f "$tmp/image" --recovery queue --data-path batch-copy
		refused 3 "needs quiesce, which the driver cannot do with batches" ublkctl upgrade "$id"
		ublkctl del "$id"
	fi
	for kind in loop ramdisk; do
		if quiesces; then
			under_verify 5 "$kind" --recovery queue
		else
			data "$kind"
			add_device "${target[@]}" --recovery queue
			refused 3 "needs quiesce, which the driver did not grant" ublkctl upgrade "$id"
			reads "$dev"
		fi
	done
}
@test "--respawn: upgrades under fio verify" {
	under_verify 3 ramdisk --recovery reissue --respawn
	under_verify 3 loop --recovery reissue --respawn
}

@test "every data path: upgrades under fio verify" {
	local path
	for path in copy map user-copy zero-copy auto-reg batch-copy batch-user-copy batch-auto-reg; do
		data loop
		if ! ublkctl add "${target[@]}" --recovery reissue --data-path "$path" >/dev/null 2>&1; then
			refused 3 "data path $path" ublkctl add "${target[@]}" --recovery reissue --data-path "$path"
			continue
		fi
		id=0 dev=/dev/ublkb0
		defer remove_device 0
		verifying
		upgrade
		goes_on
		verified
		ublkctl del 0
	done
}

@test "ext4 and a running tar: upgrades, and the tree is the same" {
	local i tar kind many
	many=$(rounds 10)
	for kind in loop ramdisk; do
		data "$kind"
		add_device "${target[@]}" --recovery reissue
		run_check mkfs.ext4 -q -F "$dev"
		mount_at "$dev" "$tmp/mnt"
		until [[ -e $tmp/enough ]]; do
			rm -rf "$tmp/mnt/tree"
			mkdir "$tmp/mnt/tree"
			tar -C /usr/include -cf - linux | tar -C "$tmp/mnt/tree" -xf - || exit 1
			echo round >>"$tmp/rounds"
		done 2>"$tmp/tar" 3>&- &
		tar=$!
		defer touch "$tmp/enough"
		for ((i = 0; i < many; i++)); do
			upgrade
			sleep 0.3
			alive "$tar"
		done
		wait_until 120 test -s "$tmp/rounds"
		touch "$tmp/enough"
		wait "$tar"
		same "$(<"$tmp/tar")" ""
		rm "$tmp/enough" "$tmp/rounds"
		upgrade
		echo 3 >/proc/sys/vm/drop_caches
		diff -r /usr/include/linux "$tmp/mnt/tree/linux"
		umount "$tmp/mnt"
		run_check e2fsck -fn "$dev"
		ublkctl del "$id"
	done
}

@test "an upgrade that is interrupted or killed: served, or to be recovered" {
	local i upgrade killed=0 signal moments
	moments=$(rounds 8)
	data loop
	add_device "${target[@]}" --recovery reissue
	verifying
	for signal in INT KILL; do
		for ((i = 0; i < moments; i++)); do
			"$UBLKCTL" upgrade "$id" >"$tmp/out" 2>&1 3>&- &
			upgrade=$!
			sleep "0.0$((i * 8 / moments))"
			kill -"$signal" "$upgrade" 2>/dev/null || true
			wait "$upgrade" || killed=$((killed + 1))
			if [[ $signal == KILL ]]; then
				# Its new handler may be on the way still.
				wait_until 40 recovered_or_served
			fi
			goes_on
			alive "$client"
		done
	done
	verified
	echo "# $killed of $((2 * moments)) did not end well"
}
recovered_or_served() {
	local output
	output=$(timeout -k 5 40 "$UBLKCTL" recover "$id" 2>&1) || [[ $output == *"is being served by"* ]]
}
