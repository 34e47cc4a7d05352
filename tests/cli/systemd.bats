#!/usr/bin/env bats
# What handlers and `add --unit` do for systemd, on the model: who listens, and what stands in for systemd-run, are here.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154  # tmp, root, out ... are set by helpers
load helpers

# listen: what is sent to $NOTIFY_SOCKET, one message a line, in $tmp/told
listen() {
	export NOTIFY_SOCKET=${1:-$tmp/notify}
	python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = os.environ["NOTIFY_SOCKET"]
s.bind("\0" + name[1:] if name[0] == "@" else name)
print("", end="", flush=True)
open(sys.argv[1] + ".ready", "w").close()
while True:
    with open(sys.argv[1], "a") as f: print(s.recv(4096).decode().replace("\n", " "), file=f)
' "$tmp/told" &
	defer kill $!
	wait_until 10 test -e "$tmp/told.ready"
}

told() { [[ -e $tmp/told && "$(paste -sd '|' "$tmp/told")" == "$1" ]] || { cat "$tmp/told"; return 1; }; }

# foreground ARGUMENT...: in the background of this test; sets pid
foreground() {
	"$program" "$@" >"$tmp/its.out" 2>"$tmp/its.err" </dev/null &
	pid=$!
}

@test "a handler in the foreground says READY when the device is there, and STOPPING" {
	local name
	for name in "$tmp/notify" "@ublkctl-test-$$"; do
		rm -f "$tmp"/told*
		listen "$name"
		foreground add -t ramdisk --size 1M --foreground
		wait_until 10 told "READY=1 STATUS=ramdisk serves $root/dev/ublkb0"
		same "$(listed '.[0].state')" LIVE
		kill "$pid"
		wait "$pid"
		told "READY=1 STATUS=ramdisk serves $root/dev/ublkb0|STOPPING=1 STATUS=takes the device away"
	done
}

@test "one that takes over says so, too, and one that fails says nothing" {
	listen
	works add -t null --recovery reissue
	kill -9 "$(listed '.[0].pid')"
	foreground recover 0 --foreground
	wait_until 10 told "READY=1 STATUS=null serves $root/dev/ublkb0"
	invoke add -t null -n 0 --foreground
	same "$status" 8
	works del 0
	wait "$pid"
	told "READY=1 STATUS=null serves $root/dev/ublkb0|STOPPING=1 STATUS=stopped by a command"
}

@test "no other handler has anything to say" {
	listen
	works add -t ramdisk --size 1M --recovery reissue --respawn
	works del 0
	[[ ! -s $tmp/told ]]
}

@test "a socket that is not there, or none" {
	local name pid
	for name in '' nonsense "$tmp/absent" "vsock:2:3" "/$(printf 'x%.0s' {1..200})"; do
		export NOTIFY_SOCKET=$name
		foreground add -t null --foreground
		wait_until 10 test -s "$tmp/its.out"
		kill "$pid"
		wait "$pid"
		same "$(tail -n 1 "$tmp/its.err")" 'ublkctl: device 0: stopping on a signal'
		rm "$tmp/its.out"
	done
}

# A handler is called as it was started.
called() { tr '\0' '\n' <"/proc/$(listed '.[0].pid')/cmdline" | head -n 1; }

@test "handlers of an initramfs are marked, and others are not" {
	works add -t null
	same "$(called)" "$program"
	works del 0
	mkdir -p "$root/etc"
	: >"$root/etc/initrd-release"
	works add -t null
	same "$(called)" "@${program#?}"
}

# systemd_run: one that notes what it was told and does what it was given; systemd runs here
systemd_run() {
	mkdir -p "$root/run/systemd/system" "$tmp/bin"
	defer rm -r "$root/run/systemd"
	cat >"$tmp/bin/systemd-run" <<-'END'
		#!/bin/sh
		echo "$*" >>"${0%/bin/*}/run"
		while [ "$1" != -- ]; do shift; done
		shift
		exec "$@"
	END
	chmod +x "$tmp/bin/systemd-run"
	PATH=$tmp/bin:$PATH
}
runs() { same "$(sed -E 's/ublkctl-([a-z]+-)?[0-9]+\.scope/ublkctl-\1PID.scope/' "$tmp/run")" "$1"; rm "$tmp/run"; }

properties='-p DefaultDependencies=no -p IgnoreOnIsolate=yes -p Conflicts=umount.target -p Before=umount.target'

@test "add --unit: in a scope, with the same words and results" {
	systemd_run
	works add --timeout 9 --unit -t ramdisk --size 1M --name disk --json
	same "$(jq -r .device <<<"$out")" "$root/dev/ublkb0"
	runs "--scope --quiet --collect --unit=ublkctl-disk-PID.scope $properties -p Before=local-fs-pre.target -- $program --timeout 9 add --timeout 9 --unit -t ramdisk --size 1M --name disk --json"
	invoke add --unit -t ramdisk --size 1M --name disk
	one_line 8 "add: device 0 ($root/dev/ublkb0) has the name disk; choose another, or use --if-absent"
	works add --unit --if-absent -t ramdisk --size 1M --name disk
	same "$out" "$root/dev/ublkb0"
}

@test "add --unit: a file that lies on something mounted" {
	systemd_run
	[[ $(stat -c %d /dev/shm) != "$(stat -c %d /)" ]] || skip 'one file system'
	local file
	file=$(mktemp /dev/shm/ublkctl-cli-XXXXXX)
	defer rm "$file"
	truncate -s 1M "$file"
	works add --unit -t loop -f "$file"
	runs "--scope --quiet --collect --unit=ublkctl-PID.scope $properties -p RequiresMountsFor=\"$file\" -- $program --timeout 10 add --unit -t loop -f $file"
}

@test "add --unit: as a plain user, in that user's own" {
	systemd_run
	mkdir -p "$root/run/user/1000"
	chmod 700 "$root/run/user/1000"
	defer rm -r "$root/run/user"
	export UBLKCTL_MODEL_UID=1000 XDG_RUNTIME_DIR=$root/run/user/1000
	works add --unit --unprivileged -t null
	runs "--scope --quiet --collect --unit=ublkctl-PID.scope --user -- $program --timeout 10 add --unit --unprivileged -t null"
	works del 0
}

@test "add --unit: without systemd" {
	refused 1 'add: --unit: this system was not booted with systemd; leave it out' add --unit -t null
	systemd_run
	status=0
	env PATH="$tmp/nothing" "$program" add --unit -t null >"$tmp/out" 2>"$tmp/err" || status=$?
	took_in
	one_line 1 'add: --unit: systemd-run cannot be started (No such file or directory); leave --unit out, or install systemd'
}

@test "add --unit --foreground -t null" { refused 2 'add: --unit and --foreground exclude each other: who started it has a unit for it'; }
