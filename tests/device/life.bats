#!/usr/bin/env bats
# bats file_tags=short
# From add to del: the path works at once, nothing is left, and each way to the end is clean.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

@test "add, read, del, again and again: the first read works, the node is gone at once, nothing is left" {
	local i kinds=("-t null" "-t ramdisk --size 4M" "-t loop -f $tmp/image -q 2") kind many
	many=$(rounds 40)
	truncate -s 4M "$tmp/image"
	for ((i = 0; i < many; i++)); do
		read -ra kind <<<"${kinds[i % 3]}"
		dev=$(ublkctl add "${kind[@]}")
		[[ $dev =~ ^/dev/ublkb[0-9]+$ ]]
		reads "$dev"
		ublkctl del "$dev"
		[[ ! -e $dev && ! -e ${dev/ublkb/ublkc} && ! -e /sys/class/ublk-char/${dev/#*ublkb/ublkc} ]]
	done
	# Each time the first id was free again.
	same "$dev" /dev/ublkb0
	wait_until 15 no_processes
	# The driver knows of no user any more, and we say so when it is missing.
	rmmod ublk_drv
	defer modprobe ublk_drv
	refused 5 "modprobe ublk_drv" ublkctl add -t null
}

@test "an id of one's own: taken, freed, and usable again at once" {
	local i
	add_device -t null -n 77
	same "$dev" /dev/ublkb77
	refused 8 "id is taken" ublkctl add -t null -n 77
	listed 'length == 1 and .[0].state == "LIVE"'
	for i in 1 2 3 4 5; do
		ublkctl del 77
		same "$(ublkctl add -t null -n 77)" /dev/ublkb77
		reads /dev/ublkb77
	done
}

@test "many devices at the same time" {
	local jobs=() job
	for job in 1 2 3 4 5 6 7 8; do
		"$UBLKCTL" add -t ramdisk --size 4M >"$tmp/out$job" 3>&- &
		jobs+=($!)
	done
	defer ublkctl del --all
	for job in "${jobs[@]}"; do wait "$job"; done
	same "$(sort -u "$tmp"/out? | wc -l)" 8 "different paths"
	for job in 1 2 3 4 5 6 7 8; do reads "$(<"$tmp/out$job")"; done
	listed 'length == 8 and all(.state == "LIVE" and .target == "ramdisk" and .record == "ok")'
}

@test "del by path, link, id and -n, and --all for the rest; of nothing it is status 6" {
	local i
	for i in 0 1 2 3 4 5 6; do ublkctl add -t null -n $i >/dev/null; done
	defer ublkctl del --all
	ln -s /dev/ublkb1 "$tmp/link"
	ublkctl del /dev/ublkb0 "$tmp/link"
	ublkctl del 2 3
	ublkctl del -n 4
	listed 'map(.id) == [5, 6]'
	ublkctl del --all
	ublkctl list --json | jq -e '.devices == []'
	ublkctl del --all
	must_fail 6 ublkctl del 5
	must_fail 6 ublkctl show 5
	must_fail 6 ublkctl list 5
	must_fail 6 ublkctl del /dev/ublkb5
}

@test "del goes on after a device that it cannot delete" {
	add_device -t null -n 1
	add_device -t null -n 2
	exec 8</dev/ublkb1
	refused 7 "in use" ublkctl del 1 2
	exec 8<&-
	listed 'map(.id) == [1]'
}

@test "SIGTERM to the handler stops and removes the device" {
	add_device -t ramdisk --size 16M
	kill -TERM "$pid"
	wait_until 20 gone "$pid"
	[[ ! -e $dev && ! -e /sys/class/ublk-char/ublkc$id ]]
}

@test "SIGTERM with requests in flight: they are answered, then the device goes" {
	local fio status=0
	add_device -t ramdisk --size 16M -q 2
	fio --name=load --filename="$dev" --direct=1 --ioengine=io_uring --iodepth=16 --rw=randrw --bs=4k --time_based \
		--runtime=200 >"$tmp/fio" 2>&1 3>&- &
	fio=$!
	wait_until 30 in_flight 1
	kill -TERM "$pid"
	wait_until 30 gone "$pid"
	wait_until 30 gone "$fio"
	wait "$fio" || status=$?
	((status && status != 127))
	[[ ! -e $dev && ! -e /sys/class/ublk-char/ublkc$id ]]
}

@test "SIGHUP to the handler changes nothing" {
	add_device -t ramdisk --size 16M
	kill -HUP "$pid"
	kill -HUP "$pid"
	sleep 1
	alive "$pid"
	reads "$dev"
	listed '.[0].state == "LIVE"'
}

# foreground SIGNAL OPTION...
foreground() {
	local status=0 server
	"$UBLKCTL" add --foreground "${@:2}" >"$tmp/out" 2>"$tmp/err" 3>&- &
	server=$!
	defer sh -c "kill -9 $server 2>/dev/null; true"
	wait_until 30 test -s "$tmp/out"
	dev=$(<"$tmp/out")
	reads "$dev"
	listed "length == 1 and .[0].pid == $server"
	kill "-$1" "$server"
	wait_until 30 gone "$server"
	wait "$server" || status=$?
	same "$status" 0 "status of the handler"
	same "$(<"$tmp/out")" "$dev" "all of stdout"
	[[ ! -e $dev ]]
}

@test "--foreground serves until SIGINT" { foreground INT -t ramdisk --size 16M -q 2; }
@test "--foreground serves until SIGTERM" { truncate -s 4M "$tmp/image"; foreground TERM -t loop -f "$tmp/image"; }
@test "--foreground ends when its device is deleted" {
	local status=0 server
	"$UBLKCTL" add --foreground -t null >"$tmp/out" 2>"$tmp/err" 3>&- &
	server=$!
	wait_until 30 test -s "$tmp/out"
	ublkctl del "$(<"$tmp/out")"
	wait_until 30 gone "$server"
	wait "$server" || status=$?
	same "$status" 0
}

@test "--create makes the file; a failed add takes it away again" {
	add_device -t loop -f "$tmp/new" --create --size 8M
	same "$(stat -c %s "$tmp/new")" $((8 << 20)) size
	refused 8 "exists already" ublkctl add -t loop -f "$tmp/new" --create --size 8M
	refused 8 "id is taken" ublkctl add -t loop -f "$tmp/other" --create --size 8M -n "$id"
	[[ -e $tmp/new && ! -e $tmp/other ]]
}
