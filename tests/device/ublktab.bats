#!/usr/bin/env bats
# /etc/ublktab: up, again, after its handlers were killed, in the foreground under I/O, and down.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, dev, id, pid, target ... are set by helpers
load helpers

tab() { printf '%s\n' "$@" >"$tmp/tab"; }
of() { listed ".[] | select(.name == \"$1\").$2"; }
all_live() { [[ $(listed 'map(.name + .state) | join(" ")') == 'diskLIVE ramLIVE' ]]; }
actions() { ublkctl up --file "$tmp/tab" --diff --json | jq -r '.steps | map(.name + " " + .action) | join(", ")'; }
served_by() { [[ $(listed '.[0] | .state + (.pid | tostring)') == "LIVE$1" ]]; }

@test "up --all, again, after kill -9, and down" {
	truncate -s 16M "$tmp/a b"
	tab "disk loop $tmp/a\\040b recovery=reissue" 'ram ramdisk - size=16M'
	same "$(actions)" 'disk add, ram add'
	within 20 ublkctl up --file "$tmp/tab" --all
	within 20 ublkctl up --file "$tmp/tab" --all
	all_live
	same "$(actions)" 'disk none, ram none'
	head -c 64K /dev/urandom >"$tmp/data"
	run_check dd if="$tmp/data" of="$(of disk device)" bs=64K oflag=direct
	kill -9 "$(of disk pid)" "$(of ram pid)"
	# At once, whatever the driver knows of it by now
	within 20 ublkctl up --file "$tmp/tab" --all
	all_live
	cmp -n 65536 "$tmp/data" "$(of disk device)"
	reads "$(of ram device)"
	sed -i 's/recovery=reissue/queues=2/' "$tmp/tab"
	same "$(actions)" 'disk differs, ram none'
	within 20 ublkctl down --file "$tmp/tab" --all
	same "$(listed length)" 0
}

# foreground: serves disk in a process of ours, $pid
foreground() {
	"$UBLKCTL" up --file "$tmp/tab" --foreground disk >>"$tmp/out" 2>>"$tmp/err" 3>&- 8>&- &
	pid=$!
	wait_until 20 served_by "$pid"
}

@test "up --foreground: a client sees nothing of kill -9" {
	truncate -s 16M "$tmp/image"
	tab "disk loop $tmp/image recovery=reissue"
	foreground
	fio --name=x --filename="$(of disk device)" --rw=randwrite --bs=4k --size=8M --direct=1 --ioengine=io_uring --iodepth=8 \
		--verify=crc32c --time_based --runtime=4 --output="$tmp/fio" 3>&- &
	local client=$!
	sleep 1
	kill -9 "$pid"
	foreground
	kill -9 "$pid"
	foreground
	wait "$client" || { cat "$tmp/fio" >&2; return 1; }
	[[ ! -s $tmp/out ]]
	kill -TERM "$pid"
	wait "$pid"
	same "$(listed length)" 0
}

@test "a dead device that somebody has open: up waits for that, in vain, and then makes another" {
	tab 'ram ramdisk - size=16M'
	within 20 ublkctl up --file "$tmp/tab" ram
	exec 8<"$(of ram device)"
	kill -9 "$(of ram pid)"
	refused 9 'device 0 is stopped but not deleted' ublkctl up --timeout 1 --file "$tmp/tab" ram
	same "$(listed length)" 0
	# It goes with its user, and there can be another by then.
	within 20 ublkctl up --file "$tmp/tab" ram
	exec 8<&-
	reads "$(of ram device)"
	within 20 ublkctl down --file "$tmp/tab" ram
}
