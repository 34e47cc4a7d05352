#!/usr/bin/env bats
# The man page and --help say the same.
# shellcheck disable=SC2030,SC2031,SC2154  # tmp, top and out are set by helpers
load helpers

page=$top/man/ublkctl.8.scd

# between FROM TO: the lines of the page from the heading FROM to the next that TO matches
between() { awk -v from="$1" -v to="$2" '$0 == from { on = 1; next } on && $0 ~ to { exit } on' "$page"; }
section() { between "## $1" '^#'; }

# commands_of_help: as the program lists them
commands_of_help() {
	works --help
	sed -n '/^Commands:/,/^$/ s/^  \([a-z]*\) .*/\1/p' <<<"$out"
}

@test "the man page has each command, in the order of --help" {
	commands_of_help >"$tmp/help"
	[[ $(wc -l <"$tmp/help") -ge 19 ]]
	between '# SYNOPSIS' '^# ' | sed -nE 's/^\*ublkctl ([a-z]+)\*.*/\1/p' | diff "$tmp/help" -
	between '# COMMANDS' '^# ' | sed -n 's/^## //p' | diff "$tmp/help" -
}
@test "operands in the SYNOPSIS are those of --help" {
	local command
	for command in $(commands_of_help); do
		works "$command" --help
		sed -n '1s/.* \(\[\?\(ID\|COMMAND\)[]|A-Z.]*\)$/\1/p' <<<"$out" >"$tmp/help"
		between '# SYNOPSIS' '^# ' | grep -F "*ublkctl $command*" | tr -d '_*' | grep -oE '\[?(ID\||COMMAND)[]|A-Z.]*' |
			sed 's/\(|FILE\)\?|$//' >"$tmp/page" || true
		diff "$tmp/help" "$tmp/page"
	done
}

# has_options WHAT SECTION...: the page has in these sections what --help ($out) of WHAT lists, with its short form
has_options() {
	local what=$1 option
	shift
	for section; do section "$section"; done >"$tmp/section"
	sed -nE 's/^ +((-[a-zA-Z], )?--[a-z-]+).*/\1/p' <<<"$out" | grep -vE -e '--(help|timeout)$' >"$tmp/options" || true
	while read -r option; do
		grep -qF -e "*$option*" -e ", $option*" "$tmp/section" ||
			complain "the man page has no $option for $what" || return
	done <"$tmp/options"
}
@test "the man page has each option of each command" {
	local command target
	for command in $(commands_of_help); do
		works "$command" --help
		case $command in
		add) has_options add add || return ;;
		list | stats | features | targets) without_id; has_options "$command" "$command" list || return ;;
		# It does not promise what no test tries.
		recover) without_id; out=$(grep -v -e --shared-memory <<<"$out"); has_options recover recover || return ;;
		*) without_id; has_options "$command" "$command" || return ;;
		esac
	done
	for target in null loop ramdisk; do
		works add -t "$target" --help
		has_options "add -t $target" add "$target" || return
	done
}
# That is told once for all.
without_id() { out=$(grep -v -e '-n, --id=ID' <<<"$out") || true; }
