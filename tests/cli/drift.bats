#!/usr/bin/env bats
# help --json, which is made of the tables that the program parses with, against --help and the manual. That --help and
# the manual have the same is for man.bats, and what shells offer for completion.bats.
# shellcheck disable=SC2016,SC2030,SC2031,SC2154  # $ is for jq; tmp, top and out are set by helpers
load helpers

described() {
	ublkctl help --json >"$tmp/help.json"
	[[ $(query '.commands | length') -ge 19 && $(query '.targets | length') -ge 3 ]]
}
query() { jq -r "$1" "$tmp/help.json"; }

# page_section PAGE HEADING: the lines from that heading to the next
page_section() { awk -v from="# $2" '$0 == from { on = 1; next } on && /^# / { exit } on' "$top/man/$1.scd"; }

# all_options: WHOSE, the option as --help writes it, and its description, separated by tabs
all_options() {
	query 'def options($whose): .options[] | [$whose, (if .letter then "-\(.letter), " else "" end) + "--\(.option)" +
			(if .argument then "=\(.argument)" else "" end), .description] | @tsv;
		options("program"), (.commands[] | options(.command)), (.targets[] | options("-t " + .target))'
}
options_of_help() { sed -nE 's/^ {2,6}((-[a-zA-Z], )?--[a-z-]+(=[^ ]+)?).*/\1/p' <<<"$out" | sort; }

# says_the_same WHOSE: the options of $out (from --help) are those, and are described in these words
says_the_same() {
	local description text
	grep "^$1"$'\t' "$tmp/all" >"$tmp/options"
	diff <(cut -f 2 "$tmp/options" | sort) <(options_of_help) || complain "$1: not these options" || return
	text=$(tr -s ' \n' ' ' <<<"$out")
	while read -r description; do
		[[ $text == *"$description"* ]] || complain "$1: --help does not say: $description" || return
	done < <(cut -f 3 "$tmp/options")
}

@test "options of the program, the commands and the targets are those of --help" {
	local command target
	described
	all_options >"$tmp/all"
	query '.commands[] | "Usage: ublkctl \(.command) \(.synopsis)"' >"$tmp/usages"
	works --help
	says_the_same program || return
	for command in $(query '.commands[].command'); do
		works "$command" --help
		grep -qxF "${out%%$'\n'*}" "$tmp/usages" || complain "another usage: $out" || return
		says_the_same "$command" || return
	done
	for target in $(query '.targets[].target'); do
		works add -t "$target" --help
		out=$(sed -n '/^Options of the target/,/--timeout/ { /--timeout/d; p }' <<<"$out")
		says_the_same "-t $target" || return
	done
}

# listed_in_help HEADING: the lines below it in $out, as "NAME DESCRIPTION"
listed_in_help() { sed -nE "/^$1:/,/^\$/ s/^  ([^ ]+) +(.*)/\1 \2/p" <<<"$out"; }

@test "commands, columns, data paths and exit statuses are those of --help, in the same order and words" {
	local command
	described
	works --help
	query '.commands[] | "\(.command) \(.description)"' | diff - <(listed_in_help Commands)
	query '.exit_statuses[] | "\(.status) \(.description)"' | diff - <(listed_in_help 'Exit statuses')
	works add --help
	query '.data_paths[] | "\(.data_path) \(.description)"' | diff - <(listed_in_help 'Data paths')
	for command in $(query '.commands[] | select(.columns != []).command'); do
		works "$command" --help
		query ".commands[] | select(.command == \"$command\").columns[] | \"\(.column) \(.description)\"" |
			diff - <(listed_in_help Columns | grep -v ^Default:)
		query ".commands[] | select(.command == \"$command\").columns[] | select(.default).column" | sort |
			diff - <(sed -n 's/^Default: //p' <<<"$out" | tr , '\n' | sort)
	done
}

@test "default columns are marked, each command that has -o has columns, and it shows these" {
	local command
	described
	works add -t null
	same "$(query '.commands[] | select(any(.options[]; .argument == "COLUMNS")) | .command')" "$(query '.commands[] | select(.columns != []) | .command')"
	for command in $(query '.commands[] | select(.columns != []).command'); do
		query ".commands[] | select(.command == \"$command\").columns[] | select(.default).column" | LC_ALL=C sort >"$tmp/default"
		works "$command" --raw
		head -n 1 <<<"$out" | tr ' ' '\n' | LC_ALL=C sort | diff "$tmp/default" - || complain "$command: not these columns" || return
		query ".commands[] | select(.command == \"$command\").columns[].column" >"$tmp/all"
		works "$command" --raw --output-all
		head -n 1 <<<"$out" | tr ' ' '\n' | diff "$tmp/all" - || complain "$command: not all columns" || return
	done
}

# each_choice: a line for each option whose argument is one of some words: page, heading, option and these words
each_choice() {
	query '.commands[] | .command as $c | .options[] | select(.choices and (.argument | test("[|]"))) | "ublkctl-\($c).8 OPTIONS \(.option) \(.choices | sort | join(" "))"'
	query '.targets[] | .target as $t | .options[] | select(.choices) | "ublkctl-targets.7 \($t | ascii_upcase) \(.option) \(.choices | sort | join(" "))"'
}
# words_told OPTION: the *WORDS* in the paragraphs of an option, which end where another option begins. Names of commands
# are none of them.
words_told() {
	awk -v option="--$1*" 'index($0, option) { on = 1; print; next } /^(\*-|# )/ { on = 0 } on' |
		grep -oE '\*[a-z][a-z-]*\*(\(|)' | grep -v '($' | tr -d '*' | grep -vxFf "$tmp/commands" | sort -u | paste -sd ' '
}
@test "the choices of an option are those that the manual tells of" {
	local page heading option choices
	described
	query '.commands[].command' >"$tmp/commands"
	each_choice >"$tmp/choices"
	[[ $(wc -l <"$tmp/choices") -ge 4 ]]
	while read -r page heading option choices; do
		same "$(page_section "$page" "$heading" | words_told "$option")" "$choices" "$page, $heading: --$option" || return
	done <"$tmp/choices"
}

@test "exit statuses are those of the manual, in the same words" {
	described
	query '.exit_statuses[] | "\(.status) \(.description)"' |
		diff - <(page_section ublkctl.8 'EXIT STATUS' | sed -nE '/^\*[0-9]\*$/ { N; s/\*([0-9])\*\n\t/\1 /p }')
}

@test "targets are those of 'targets', and choices are what the program takes" {
	local choice
	described
	works targets --raw --noheadings -o TARGET
	query '.targets[].target' | diff - <(echo "$out")
	query '.commands[] | select(.command == "add") | .options[] | select(.option == "target").choices[]' | diff - <(echo "$out")
	for choice in $(query '.commands[] | select(.command == "add") | .options[] | select(.option == "recovery").choices[]'); do
		works add -t null --recovery "$choice"
	done
	for choice in $(query '.targets[] | select(.target == "null") | .options[] | select(.option == "reads").choices[]'); do
		works add -t null --reads "$choice"
	done
}

@test "help --json COMMAND: that one alone" {
	works help --json list
	same "$(jq -r '.schema_version, .commands[].command' <<<"$out" | xargs)" '1 list'
	refused 2 "help: 'nothing' is not a command" help --json nothing
	refused 2 "help: unexpected argument 'add'" help --json list add
}
