#!/usr/bin/env bats
# The completions in the real shells, at a terminal: bash with bash-completion, zsh with compinit, fish. What they offer
# is made by `ublkctl complete` (complete.bats); here is that each shell does with it what its users expect.
# shellcheck disable=SC2030,SC2031,SC2154  # tmp, root, out ... are set by helpers
load helpers
load shells

begin() {
	if [[ ! -d $tmp/bin ]]; then install_completions; fi
	open_shell "$1"
}

# words WORD...: as all() has them
words() { printf '%s\n' "$@" | LC_ALL=C sort; }
offers() { same "$(all "$1")" "$(words "${@:2}")" "$1"; }

completes_the_issues_lines() {
	various_devices
	begin "$1"
	tab 'ublkctl add -t l' 'ublkctl add -t loop '
	tab 'ublkctl add --data-p' 'ublkctl add --data-path '
	tab 'ublkctl add --data-path=us' 'ublkctl add --data-path=user-copy '
	tab 'ublkctl add -t loop --siz' 'ublkctl add -t loop --size'
	offers 'ublkctl add -t loop --siz' --size --size-limit
	tab 'ublkctl add --target=ramdisk --hu' 'ublkctl add --target=ramdisk --huge-pages '
	tab 'ublkctl add -tnull --reads=a' 'ublkctl add -tnull --reads=any '
	offers 'ublkctl del ' 0 1 2 disk rest
	tab 'ublkctl del d' 'ublkctl del disk '
	tab "ublkctl del $root/dev/ublkb1" "ublkctl del $root/dev/ublkb1 "
	offers 'ublkctl del -n ' 0 1 2 disk rest
	offers 'ublkctl start ' 2 rest
	offers 'ublkctl recover ' 1
	offers 'ublkctl list -o ID,S' ID,SIZE ID,STATE
	offers 'ublkctl list -o +LOG-SEC,MA' +LOG-SEC,MAJ:MIN +LOG-SEC,MAX-IO
	offers 'ublkctl list -o MAJ:MIN,LO' MAJ:MIN,LOG-SEC
	offers 'ublkctl list --output=ba' --output=backing
	tab 'ublkctl --timeout=5 doc' 'ublkctl --timeout=5 doctor '
	tab 'ublkctl wait -st' 'ublkctl wait -st'
	tab 'ublkctl del -- --f' 'ublkctl del -- --f'
	tab 'sudo ublkctl add -t l' 'sudo ublkctl add -t loop '
}
@test "bash: commands, options, values, columns and devices" { completes_the_issues_lines bash; }
@test "zsh: commands, options, values, columns and devices" { completes_the_issues_lines zsh; }
@test "fish: commands, options, values, columns and devices" { completes_the_issues_lines fish; }

completes_names_of_files() {
	mkdir 'a directory' "$tmp/home"
	touch 'one file' "$tmp/home/in-home"
	begin "$1"
	tab 'ublkctl add -t loop -f on' 'ublkctl add -t loop -f one\ file '
	tab 'ublkctl add -t loop --file=on' 'ublkctl add -t loop --file=one\ file '
	tab 'ublkctl add -t loop -f a' 'ublkctl add -t loop -f a\ directory/'
	tab 'ublkctl add -t loop -f ~/in' 'ublkctl add -t loop -f ~/in-home '
	tab 'ublkctl del --file=~/in' 'ublkctl del --file=~/in-home '
	type_line $'\t' 'ublkctl del -fone'
	[[ $became == 'ublkctl del -fone\ file'* ]] || complain "$became" || return
	# Where none can be, there are none.
	tab 'ublkctl add -t loop --name on' 'ublkctl add -t loop --name on'
	tab 'ublkctl del on' 'ublkctl del on'
}
@test "bash: names of files" { completes_names_of_files bash; }
@test "zsh: names of files" { completes_names_of_files zsh; }
@test "fish: names of files" { completes_names_of_files fish; }

# described: a line for each option of the program, of its commands and of its targets, and what it is of
described() {
	ublkctl help --json | jq -r 'def options($whose): .options[] | "\($whose) --\(.option)";
		options("program"), (.commands[] | options(.command)), (.targets[] | options("target-" + .target))' >"$tmp/options"
	commands=$(sed 's/ .*//' "$tmp/options" | grep -v -e program -e target- | uniq)
	targets=$(sed -n 's/ .*//; s/^target-//p' "$tmp/options" | uniq)
	[[ $commands && $targets ]]
}
# same_options LINE WHOSE...: with a -- behind the line these are offered; one that the line has is not
same_options() {
	local line=$1
	shift
	printf '%s\n' "$@" | awk 'NR == FNR { whose[$1] = 1; next } $1 in whose { print $2 }' - "$tmp/options" |
		if [[ $line == *' -t '* ]]; then grep -vxe --target; else cat; fi | LC_ALL=C sort -u >"$tmp/want"
	all "$line --" >"$tmp/offered"
	diff "$tmp/want" "$tmp/offered" || complain "$line: not these options"
}

offers_every_option() {
	local command target
	described
	begin "$1"
	same_options ublkctl program || return
	# shellcheck disable=SC2086  # a word each
	offers 'ublkctl ' $commands || return
	for command in $commands; do same_options "ublkctl $command" "$command" || return; done
	for target in $targets; do same_options "ublkctl add -t $target" add "target-$target" || return; done
}
@test "bash offers every option of every command, and no other" { offers_every_option bash; }
@test "zsh offers every option of every command, and no other" { offers_every_option zsh; }
@test "fish offers every option of every command, and no other" { offers_every_option fish; }

@test "zsh and fish show what a candidate is" {
	local shell
	for shell in zsh fish; do
		begin "$shell"
		type_line $'\t\t' 'ublkctl list -o RE'
		wait_until 10 grep -qF 'when the handler dies: none, queue' "$tmp/screen"
		close_shell
	done
}

@test "without a driver, or without the program, the shells are silent" {
	local shell
	export UBLKCTL_MODEL_DRIVER=missing
	for shell in bash zsh fish; do
		begin "$shell"
		tab 'ublkctl show ' 'ublkctl show --'
		tab '/nowhere/ublkctl sh' '/nowhere/ublkctl sh'
		if grep -iE 'ublkctl: |not found|no such|unknown|subscript' "$tmp/screen"; then complain "$shell"; fi
		close_shell
	done
}
