#!/usr/bin/env bats
# Every example of the manual and of the other documents works: each block between ``` lines (those that name a language
# other than sh are no commands) is run as it stands, in an empty directory, and must succeed and leave no device.
# shellcheck disable=SC2030,SC2031,SC2034,SC2154,SC2016  # helpers' variables; commands that are text here
load helpers
load users

top=${BATS_TEST_DIRNAME%/tests/device}

# A block's name is that of its file and its first line. What it plainly presupposes, done before it:
declare -gA before=(
	['README.md: dev=$(ublkctl add -t loop -f img.raw)   # prints /dev/ublkb0 when the node opens and reads']='truncate -s 64M img.raw'
	['README.md: ublkctl add -t ramdisk --size 1G --name scratch         # in memory, with a name']='ln -sf /dev/ram0 /dev/sdb'
	['ublkctl-top.8: ublkctl top --interval 1 --queues']='ublkctl add -t null'
	['ublkctl-unprivileged.7: usermod -aG ublk alice']='systemd-sysusers "$top/udev/ublkctl.conf"; useradd --uid 1001 alice'
	['ublkctl-unprivileged.7: dev=$(ublkctl add --unprivileged -t ramdisk --size 64M)']='let_in 1001; chmod 777 .'
)
# What it leaves, and somebody else removes:
declare -gA after=(
	['README.md: ublkctl add -t ramdisk --size 1G --name scratch         # in memory, with a name']='rm /dev/sdb'
	['ublkctl-top.8: ublkctl top --interval 1 --queues']='ublkctl del --all'
	['ublkctl-unprivileged.7: dev=$(ublkctl add --unprivileged -t ramdisk --size 64M)']='shut_out 1001'
)
# Who runs it, or where, if not root at a prompt:
declare -gA by=(
	['ublkctl-top.8: ublkctl top --interval 1 --queues']=at_a_terminal
	['ublkctl-unprivileged.7: dev=$(ublkctl add --unprivileged -t ramdisk --size 64M)']=as_alice
)
# What is not run here, and what runs it:
declare -gA elsewhere=(
	['CONTRIBUTING.md: ./check']='what you see the output of'
	['HACKING.md: ./check                 # runs them all']='what you see the output of'
	['HACKING.md: cmake --preset dev && cmake --build --preset dev']='./check, with all of the tests in place of one'
	['ublkctl-systemd.7: mkfs.ext4 -q /var/lib/images.raw 64M']='group boot of ./check'
	['README.md: ./demo      # installs what is missing, builds, and shows the main job on a real driver']='group demo of ./check, which runs this'
	['HACKING.md: tests/vm/run -k native --timeout 9000 -- tests/sweep/guest --do kill,kill-command']='group sweep of ./check, with some of the points'
	['README.md: tests/packages vm native && tests/vm/run -k native --shell']='group vm of ./check, which needs a terminal'
	['README.md: tests/packages build                    # on Debian: installs them']='group package of ./check, in a clean Debian 12'
	['README.md: tests/packages build package            # on Debian: installs what that needs']='group package of ./check'
)

as_root() { timeout -k 5 60 "$@"; }
# at_a_terminal COMMAND...: until it has shown something, and q
at_a_terminal() {
	: >typescript
	{ wait_until 20 grep -q ublkb typescript; printf q; } |
		timeout -k 5 60 script -qefc "stty rows 24 cols 100; $*" typescript
}
# as_alice COMMAND...: with what an earlier block has made of her
as_alice() {
	PATH=${theirs%/*}:$PATH XDG_RUNTIME_DIR=/run/user/1001 timeout -k 5 60 \
		setpriv --reuid alice --regid alice --init-groups --inh-caps=-all "$@"
}

documents=("$top"/*.md) pages=("$top"/man/*.scd)

# blocks DOCUMENT...: the examples, each in a file of its own; prints that and its name, in their order
blocks() {
	mkdir "$tmp/blocks"
	awk -v dir="$tmp/blocks/" '
		FNR == 1 { page = FILENAME; sub(/.*\//, "", page); sub(/\.scd$/, "", page); inside = n = 0 }
		/^```/ { inside = !inside; begins = wanted = inside && ($0 == "```" || $0 == "```sh"); n += wanted; next }
		wanted { file = dir page "-" n; print >file; if (begins) print file, page ": " $0; begins = 0 }' "$@" >"$tmp/list"
}

# run_block FILE NAME: in a directory of its own
run_block() {
	local dir=$tmp/${1##*/}.d status=0
	mkdir "$dir"
	cd "$dir" || return
	eval "${before[$2]-}"
	"${by[$2]-as_root}" bash -euo pipefail "$1" >"$1.out" 2>&1 </dev/null || status=$?
	eval "${after[$2]-}"
	((status == 0)) && ! compgen -G '/sys/class/ublk-char/*' && return
	printf 'status %s of: %s\n' "$status" "$2"
	tail -n 20 "$1.out"
	return 1
}

# examples_of DOCUMENT...: all of them run
examples_of() {
	local file name failed=0
	PATH=${UBLKCTL%/*}:$PATH
	blocks "$@"
	chmod 755 "$tmp" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/*
	while read -r file name; do
		[[ ! ${elsewhere[$name]-} ]] || continue
		run_block "$file" "$name" >&2 || { failed=$((failed + 1)); ublkctl del --all --force; }
	done <"$tmp/list"
	((failed == 0))
}
# In three parts, since one would take too long on a machine that has other things to do.
@test "every example runs: README.md and others" { examples_of "${documents[@]}"; }
@test "every example runs: pages, the first half" { examples_of "${pages[@]:0:${#pages[@]}/2}"; }
@test "every example runs: pages, the second half" { examples_of "${pages[@]:${#pages[@]}/2}"; }

@test "what is said above of an example is said of one that is there" {
	local name
	blocks "${documents[@]}" "${pages[@]}"
	cut -d ' ' -f 2- "$tmp/list" >"$tmp/names"
	[[ $(wc -l <"$tmp/names") -ge 30 ]]
	for name in "${!before[@]}" "${!after[@]}" "${!by[@]}" "${!elsewhere[@]}"; do
		same "$(grep -cxF -e "$name" "$tmp/names")" 1 "$name"
	done
}

@test "the example target of HACKING.md serves a device" {
	local UBLKCTL=${UBLKCTL%/cmd/ublkctl}/tests/ublkctl_example
	add_device -t number --size 1M
	same "$(od -An -v -w8 -t u8 -j 2560 -N 1024 "$dev" | sort | uniq -c | xargs)" '64 5 64 6'
	run_check dd if="$dev" of="$tmp/numbers" bs=64K
	run_check dd if="$tmp/numbers" of="$dev" bs=64K oflag=direct
	must_fail any dd if=/dev/zero of="$dev" bs=4K count=1 seek=2 oflag=direct
	run_check ublkctl del "$id"
}
