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

# devices: 0 is called disk, 1 lost its handler, 2 is stopped
devices() {
	works add -t null --name disk
	works add -t ramdisk --size 1M --recovery reissue
	works add -t null --name rest
	works stop 2
	kill -9 "$(listed '.[1].pid')"
	wait_until 10 is_lost
}
is_lost() { [[ $(listed '.[1].state') == QUIESCED ]]; }

# words WORD...: as all() has them
words() { printf '%s\n' "$@" | LC_ALL=C sort; }
offers() { same "$(all "$1")" "$(words "${@:2}")" "$1"; }

completes_the_issues_lines() {
	devices
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

# options_of FILTER: as the program describes them
options_of() { jq -r "$1 | .options[] | \"--\" + .option" "$tmp/help.json" | LC_ALL=C sort; }
same_options() {
	all "$1 --" >"$tmp/offered"
	diff - "$tmp/offered" || complain "$1: not these options"
}

offers_every_option() {
	local command target
	ublkctl help --json >"$tmp/help.json"
	begin "$1"
	options_of . | same_options ublkctl || return
	offers 'ublkctl ' $(jq -r '.commands[].command' "$tmp/help.json") || return
	for command in $(jq -r '.commands[].command' "$tmp/help.json"); do
		options_of ".commands[] | select(.command == \"$command\")" | same_options "ublkctl $command" || return
	done
	for target in $(jq -r '.targets[].target' "$tmp/help.json"); do
		{
			options_of '.commands[] | select(.command == "add")' | grep -vxe --target
			options_of ".targets[] | select(.target == \"$target\")"
		} | LC_ALL=C sort | same_options "ublkctl add -t $target" || return
	done
}
@test "bash offers every option of every command, and no other" { offers_every_option bash; }
@test "zsh offers every option of every command, and no other" { offers_every_option zsh; }
@test "fish offers every option of every command, and no other" { offers_every_option fish; }

@test "zsh and fish show what a candidate is" {
	local shell
	for shell in zsh fish; do
		begin "$shell"
		type_line $'\t\t' 'ublkctl list -o RE'
		grep -qF 'when the handler dies: none, queue' "$tmp/screen" || complain "$shell: $(<"$tmp/screen")" || return
		close_shell
	done
}

@test "without a driver the shells are silent" {
	local shell
	export UBLKCTL_MODEL_DRIVER=missing
	for shell in bash zsh fish; do
		begin "$shell"
		tab 'ublkctl show ' 'ublkctl show --'
		if grep -i 'ublkctl: ' "$tmp/screen"; then complain "$shell"; fi
		close_shell
	done
}
