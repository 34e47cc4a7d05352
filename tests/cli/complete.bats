#!/usr/bin/env bats
# `ublkctl complete`, which the completions of the shells ask.
# shellcheck disable=SC2030,SC2031,SC2154  # tmp, root, out ... are set by helpers
load helpers

# answers WORDS CANDIDATES HOW [HEAD]: WORDS, split at blanks, but for a last one that is empty if a blank is the end
answers() {
	local words=()
	read -ra words <<<"$1"
	if [[ ! $1 || $1 == *' ' ]]; then words+=(''); fi
	works complete -- "${words[@]}"
	same "$(sed '$d; s/\t.*//' <<<"$out" | words)" "$2" "$1" || return
	same "$(tail -n 1 <<<"$out")" ":$3"$'\t'"${4-}" "$1"
}
words() { paste -sd ' '; }
candidates() { sed '$d; s/\t.*//' <<<"$out"; }

@test "commands, and the program's own options before one" {
	answers 'st' 'stats stop start' words
	answers '--timeout 5 doc' doctor words
	answers '-t5 doc' doctor words
	answers '-t 5' '' words
	answers '--ver' --version words
	answers '-' '-t --timeout -h --help -V --version' words
	answers 'help he' help words
	answers 'help list ' '--json --timeout --help' words
	answers 'no-command ' '' words
	answers 'no-command --' '' words
	works complete -- ''
	refute_listed complete
}
refute_listed() { ! candidates | grep -qx "$1"; }

@test "options, in their forms, each once" {
	answers 'add --dat' --data-path words
	answers 'wait -' '-n --id -s --state -t --timeout -J --json -h --help' words
	answers 'wait --timeout 5 --' '--id --state --json --help' words
	answers 'wait -t5 --' '--id --state --json --help' words
	answers 'list -Jb' -Jb words
	answers 'list -Jx' '' words
	answers 'list -Jbr --no' --noheadings words
	# As an operand, it is none.
	answers 'list -- --no' '' words
	answers 'doctor ' '--json --timeout --help' words
	answers 'add --name --dat' '' words
}
@test "options of the target, when it is said" {
	answers 'add --fi' '' words
	answers 'add -t loop --fi' --file words
	answers 'add --target=loop --fi' --file words
	answers 'recover -tloop --fi' --file words
	answers 'add -t null --si' --size words
	answers 'add -t loop --si' '--size-limit --size' words
	answers 'list -t loop --fi' '' words
}
@test "values, behind a blank, a = or the letter" {
	answers 'add -t l' loop words
	answers 'add -tl' loop words -t
	answers 'add -t=l' loop words -t=
	answers 'add --target l' loop words
	answers 'add --target=l' loop words --target=
	answers 'add --data-path=batch-a' batch-auto-reg words --data-path=
	answers 'add --data-path a' 'auto auto-reg' words
	answers 'add --recovery ' 'none queue reissue fail' words
	answers 'add -t loop --direct-io=' 'auto on off' words --direct-io=
	answers 'wait -s q' quiesced words
	answers 'add --queues ' '' words
	answers 'add --json=' '' words --json=
}
@test "files" {
	answers 'add -t loop -f ' '' files
	answers 'add -t loop -f/tm' '' files -f
	answers 'add -t loop --file=/tm' '' files --file=
	answers 'add --shared-memory ' '' files
	answers 'del --file x' '' files
	answers 'add ' "$(works complete -- add --; candidates | words)" words
}
@test "columns: one, a list, what is added, in either case, each once" {
	answers 'list -o S' 'STATE SIZE' list
	answers 'list -o ID,S' 'STATE SIZE' list ID,
	answers 'list -o SIZE,ID,S' STATE list SIZE,ID,
	answers 'list -o +S' 'STATE SIZE' list +
	answers 'list -o +ID,RE' 'RECOVERY RECORD' list +ID,
	answers 'list -Jo+id,re' 'recovery record' list -Jo+id,
	answers 'list --output=MAJ:' MAJ:MIN list --output=
	answers 'features -o B' BIT list
	answers 'show -o B' '' words
}

@test "devices: ids, names and nodes, those that make sense" {
	various_devices
	answers 'del ' '0 disk 1 2 rest' words
	answers 'del -n ' '0 disk 1 2 rest' words
	answers 'del --id=d' disk words --id=
	answers 'del 0 disk ' '1 2 rest' words
	answers 'del -- r' rest words
	answers "del $root/dev/u" "$root/dev/ublkb0 $root/dev/ublkb1 $root/dev/ublkb2" words
	answers "del --id=$root/dev/ublkb1" "$root/dev/ublkb1" words --id=
	answers 'start ' '2 rest' words
	answers 'recover ' 1 words
	answers 'show ' '0 disk 1 2 rest' words
	answers 'show 1 ' '--id --json --timeout --help' words
	mkdir "$root/dev/ublk" "$root/dev/ublk/by-name"
	ln -s ../../ublkb0 "$root/dev/ublk/by-name/disk"
	answers "show $root/dev/ublk/" "$root/dev/ublk/by-name/disk" words
	# Links of others' lead there, too.
	answers 'show /dev/disk/by' '' files
	# There is none of that id yet.
	answers 'add --id ' '' words
	rm -r "$root/dev/ublk"
}
@test "what is offered is described, in a line" {
	touch $'a\nfile'
	truncate -s 1M $'a\nfile'
	works add -t loop -f $'a\nfile'
	works complete -- del ''
	[[ $out == $'0\tLIVE, loop '*'/a?file'$'\n:words\t' ]] || complain 'not that'
	works complete -- add -t lo
	same "$out" $'loop\ta regular file or a block device\n:words\t'
}

# quick ARGUMENT...: as works, within two seconds
quick() {
	local begun=${EPOCHREALTIME/./}
	works "$@"
	((${EPOCHREALTIME/./} - begun < 2000000)) || complain "that took too long: $*"
}
@test "without a driver, a permission or an answer: what is known, soon and silently" {
	works add -t null --name disk
	works add -t null
	UBLKCTL_MODEL_DRIVER=missing quick complete -- del ''
	same "$(candidates | words)" '0 1'
	UBLKCTL_MODEL_FAULT='GET_DEV_INFO2:never:0:always' quick complete -- del ''
	same "$(candidates | words)" '0 1'
	UBLKCTL_MODEL_FAULT='GET_DEV_INFO2:never:0:always' quick complete -- del "$root/dev/"
	same "$(candidates | words)" "$root/dev/ublkb0 $root/dev/ublkb1"
	UBLKCTL_MODEL_UID=1000 XDG_RUNTIME_DIR=$tmp quick complete -- del ''
	works del --all
	quick complete -- del n
	same "$out" $':words\t'
}
@test "what it is not asked with" {
	refused 2 'complete: give the words of a command line, after --' complete
	refused 2 'complete: give the words of a command line, after --' complete --timeout 1
	refused 2 "complete: unknown option '--words'" complete --words
	works complete --help
	[[ $out == 'Usage: ublkctl complete -- WORD...'* ]]
	works --help
	[[ $out != *complete* ]]
}

@test "lines of ublktab, and what to do with it" {
	mkdir -p "$root/etc"
	printf '%s null\n' data data2 scratch >"$root/etc/ublktab"
	works add -t null --name running
	answers 'up da' 'data data2' words
	answers 'down data s' scratch words
	answers 'ublktab c' check words
	answers 'ublktab add r' running words
	answers 'ublktab list ' '--file --name --dry-run --json --timeout --help' words
}
