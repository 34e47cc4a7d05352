#!/usr/bin/env bats
# The man pages and --help say the same, and what the pages refer to is there.
# shellcheck disable=SC2030,SC2031,SC2154  # tmp, top and out are set by helpers
load helpers

man=$top/man

# section PAGE HEADING: the lines from that heading to the next
section() { awk -v from="# $2" '$0 == from { on = 1; next } on && /^# / { exit } on' "$man/$1.scd"; }
page_of() { echo "ublkctl-$1.8"; }

# commands_of_help: as the program lists them, with what it says of them
commands_of_help() {
	works --help
	sed -nE '/^Commands:/,/^$/ s/^  ([a-z]+) +(.*)/\1: \2/p' <<<"$out"
}
names() { commands_of_help | sed 's/:.*//'; }

# alike WHAT COMMAND...: what it prints and the lines of $tmp/help are the same, in whatever order
alike() {
	local what=$1
	shift
	"$@" | sort >"$tmp/page"
	diff <(sort "$tmp/help") "$tmp/page" >"$tmp/diff" || complain "$what: --help (<) and the page (>):" "$(<"$tmp/diff")"
}
not_empty() { [[ -s $tmp/help ]] || complain "nothing in --help: $1"; }

# options_of_help: what $out lists, as "-n, --id=", without what each command has
options_of_help() { sed -nE 's/^ {2,6}((-[a-zA-Z], )?--[a-z-]+=?).*/\1/p' <<<"$out" | grep -vxE -e "${1:---timeout=|-h, --help}" || true; }
# terms: the first lines of paragraphs
terms() { awk 'last == "" { print } { last = $0 }'; }
# options_in: the same of a page's section
options_in() { terms | grep '^\*-' | tr -d '*_' | grep -oE '(-[a-zA-Z], )?--[a-z-]+=?' || true; }
# words_in: the *WORDS* of a page's section that begin its paragraphs
words_in() { terms | grep -E '^\*[^-]' | grep -oE '\*[^*]+\*' | tr -d '*' || true; }

@test "ublkctl(8) has each command in the order of --help, and each has a page of that name" {
	local name
	commands_of_help >"$tmp/help"
	[[ $(wc -l <"$tmp/help") -ge 19 ]]
	section ublkctl.8 COMMANDS | sed -nE 's/^\*([a-z]+)\*$/\1/p' | diff <(names) -
	for name in $(names); do
		section "$(page_of "$name")" NAME | sed -nE "s/^ublkctl-([a-z]+) - (.*)/\1: \2/p"
	done | diff "$tmp/help" -
	# The first letter is a large one there.
	section ublkctl.8 COMMANDS | tr -d '*' | sed -nE 's/^\t(.*); ublkctl-([a-z]+)\(8\)\.$/\2: \l\1/p' |
		diff <(tr -d "'" <"$tmp/help") -
	diff <(cd "$man" && printf '%s\n' ublkctl*.8.scd | sed -E 's/ublkctl-?//; s/\.8\.scd//' | sort) \
		<({ echo; names; } | sort)
}
@test "a page has its sections" {
	local file wanted
	for file in "$man"/*.scd; do
		wanted='NAME DESCRIPTION EXAMPLES SEE ALSO'
		if [[ $file == *.8.scd ]]; then wanted='NAME SYNOPSIS DESCRIPTION OPTIONS EXIT STATUS EXAMPLES SEE ALSO'; fi
		[[ "$(sed -n 's/^# //p' "$file" | grep -xE "${wanted// /|}|EXIT STATUS|SEE ALSO" | xargs)" == "$wanted" ]] ||
			complain "$file has not: $wanted" || return
	done
}
@test "operands in the SYNOPSIS are those of --help" {
	local command
	for command in $(names); do
		works "$command" --help
		sed -n '1s/.* \(\[\?\(ID\|COMMAND\)[]|A-Z.]*\)$/\1/p' <<<"$out" >"$tmp/help"
		section "$(page_of "$command")" SYNOPSIS | tr -d '_*' | grep -oE '\[?(ID\||COMMAND)[]|A-Z.]*' |
			sed 's/\(|FILE\)\?|$//' >"$tmp/page" || true
		diff "$tmp/help" "$tmp/page"
	done
}
@test "options of the program, of each command and of each target are those of --help" {
	local command target
	works --help
	options_of_help none >"$tmp/help"
	alike program options_in < <(section ublkctl.8 OPTIONS) || return
	for command in $(names); do
		works "$command" --help
		# One that has a --timeout of its own tells of it.
		options_of_help "$(grep -q -e '-t, --timeout' <<<"$out" && echo '-h, --help')" >"$tmp/help"
		alike "$command" options_in < <(section "$(page_of "$command")" OPTIONS) || return
	done
	works targets --raw --noheadings -o TARGET
	for target in $out; do
		works add -t "$target" --help
		out=$(sed -n '/^Options of the target/,/^$/p' <<<"$out")
		options_of_help >"$tmp/help"
		not_empty "$target"
		alike "$target" options_in < <(section ublkctl-targets.7 "${target^^}") || return
	done
	# More targets than there are
	works targets --raw --noheadings -o TARGET
	section ublkctl-add.8 OPTIONS | sed -n '/^\*-t, /,/^$/p' | grep -o '\*[a-z]*\*' | tr -d '*' | diff - <(printf '%s\n' "${out[@]}")
}
@test "data paths are those of --help" {
	works add --help
	sed -nE '/^Data paths/,$ s/^  ([a-z-]+) .*/\1/p' <<<"$out" >"$tmp/help"
	not_empty paths
	alike 'data paths' words_in < <(section ublkctl-datapaths.7 'DATA PATHS')
}
@test "columns are those of --help" {
	local command
	for command in list stats features targets; do
		works "$command" --help
		sed -nE '/^Columns/,$ s/^  ([A-Z0-9:-]+) .*/\1/p' <<<"$out" >"$tmp/help"
		not_empty "$command"
		alike "$command" words_in < <(section "$(page_of "$command")" COLUMNS) || return
	done
}
@test "exit statuses are those of the program, and each page has them in their order" {
	local command
	sed -nE 's/^\tUC_[A-Z_]+ = ([0-9]),.*/\1/p' "$top/lib/error.h" >"$tmp/help"
	not_empty codes
	section ublkctl.8 'EXIT STATUS' | words_in | diff "$tmp/help" -
	for command in $(names); do
		section "$(page_of "$command")" 'EXIT STATUS' | grep '^\*' | tr -d '*' >"$tmp/page"
		grep -Fxf "$tmp/page" "$tmp/help" | diff - "$tmp/page"
		printf '%s\n' 0 1 2 | diff - <(head -n 3 "$tmp/page")
	done
}
@test "environment variables are those that the program reads" {
	grep -ohE '\bgetenv\("[A-Z_]+"' "$top"/{cmd,lib,targets}/*.c | sed 's/.*"\(.*\)"/\1/' | sort -u >"$tmp/help"
	not_empty variables
	alike environment words_in < <(section ublkctl.8 ENVIRONMENT)
}
@test "what doctor looks at is in its page" {
	invoke doctor --json
	jq -r '.checks[].check' <<<"$out" | sort -u >"$tmp/help"
	not_empty checks
	words_in < <(section ublkctl-doctor.8 DESCRIPTION) | sort >"$tmp/page"
	[[ -z $(comm -23 "$tmp/help" "$tmp/page") ]] || complain "not in the page: $(comm -23 "$tmp/help" "$tmp/page")"
}
# references PAGE: the pages of ours that it names, as NAME.SECTION
references() { grep -oE '\*(ublkctl(-[a-z]+)?|ublktab)\*\([0-9]\)' "$man/$1.scd" | tr -d '*)' | tr '(' . | sort -u; }
@test "every page is built, reached from ublkctl(8), and there" {
	# ublkctl knows nothing of the name ublk.
	local page new=(ublkctl.8 ublk.8) known=' ublkctl.8 ublk.8 '
	(cd "$man" && printf '%s\n' *.scd) | diff - <(grep -oE 'ublk.*\.scd' "$man/CMakeLists.txt" | sort)
	while ((${#new[@]})); do
		for page in $(references "${new[0]}"); do
			[[ -f $man/$page.scd ]] || complain "${new[0]} names $page, which is not there" || return
			if [[ $known != *" $page "* ]]; then new+=("$page") known+="$page "; fi
		done
		new=("${new[@]:1}")
	done
	tr ' ' '\n' <<<"$known" | sed '/^$/d; s/$/.scd/' | sort | diff <(cd "$man" && printf '%s\n' *.scd) -
}
# table KERNEL TITLE: of the tables that tests/bench made, a path and its figures in a line, as the page has them
measured() {
	awk -v kernel="## $1" -v title="### $2" '
		/^## / { in_kernel = index($0, kernel) == 1 } /^### / { on = in_kernel && $0 == title }
		!/^\|/ { table = 0 } /^\| IOPS/ { table = on } table' "$top/tests/bench/README.md" |
		sed -nE 's/\*\*/*/g; s/ [0-9]+ \(([0-9.]+)\) /\1/g; s/^\| ([^|]*[^ |]) *\|([0-9.|]+)\|$/\1|\2/p' |
		grep -vE '^(nbdkit|ublkctl|brd|null_blk|kernel loop)'
}
tables() { awk '/^## Linux/ { kernel = $3 } /^\*.*, 1 is/ { sub(/, 1 is.*/, ""); print kernel ":" $0 }' "$man/ublkctl-datapaths.7.scd" | tr -d '*'; }
in_page() {
	awk -v kernel="## Linux $1" -v title="*$2*, 1 is" '
		/^##? / { in_kernel = $0 == kernel } /^\*/ { on = in_kernel && index($0, title) == 1 }
		on && /^\| / { if (row) print row; row = substr($0, 4) } on && /^:  / { row = row "|" substr($0, 4) }
		on && /^$/ { if (row) print row; row = "" }' "$man/ublkctl-datapaths.7.scd"
}
@test "figures are those that were measured" {
	local table
	[[ $(tables | wc -l) -ge 8 ]]
	while read -r table; do
		measured "${table%%:*}" "${table#*:}" >"$tmp/help"
		not_empty "$table"
		in_page "${table%%:*}" "${table#*:}" | diff "$tmp/help" - || complain "$table" || return
	done < <(tables)
}
