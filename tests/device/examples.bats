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
	['README.md: ./demo      # installs what is missing, builds, and shows the main job on a real driver']='group demo of ./check, which runs this'
	['README.md: tests/packages build                    # on Debian: installs them']='gate: README: build and install, of ./check'
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

# blocks: the examples, each in a file of its own, in the order of the documents
blocks() {
	local file
	mkdir "$tmp/blocks"
	for file in "$top"/*.md "$top"/man/*.scd; do
		awk -v file="$tmp/blocks/$(basename "$file" .scd)" '
			/^```/ { inside = !inside; wanted = inside && ($0 == "```" || $0 == "```sh"); n += wanted; next }
			wanted { print >(file "-" n) }' "$file"
	done
	printf '%s\n' "$tmp"/blocks/* | sort -V
}
name_of() {
	local file=${1##*/} line
	read -r line <"$1"
	printf '%s: %s' "${file%-*}" "$line"
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

@test "every example runs" {
	local file name failed=0
	PATH=${UBLKCTL%/*}:$PATH
	blocks >"$tmp/files"
	chmod 755 "$tmp" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/*
	while read -r file; do
		name=$(name_of "$file")
		printf '%s\n' "$name" >>"$tmp/names"
		[[ ! ${elsewhere[$name]-} ]] || continue
		run_block "$file" "$name" >&2 || { failed=$((failed + 1)); ublkctl del --all --force; }
	done <"$tmp/files"
	((failed == 0))
	# No two have a name, and no word is said here of one that there is no more
	same "$(sort "$tmp/names" | uniq -d)" ''
	same "$(printf '%s\n' "${!before[@]}" "${!after[@]}" "${!by[@]}" "${!elsewhere[@]}" | grep -vxFf "$tmp/names" || true)" ''
	[[ $(wc -l <"$tmp/names") -ge 30 ]]
}
