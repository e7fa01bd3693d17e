#!/bin/bash
# Writes manual pages from what the programs say of themselves with --help, so that the two cannot differ.
#
#   tools/manual.sh PROGRAMS-FOLDER OUT-FOLDER VERSION
set -eu
programs=$1 out=$2 version=$3

# page NAME SUMMARY COMMAND...: the page of a command, from its --help.
page() {
    local name=$1 summary=$2
    shift 2
    "$@" --help >"$out/$name.help"
    awk -v name="$name" -v summary="$summary" -v version="$version" '
        function text(line) { gsub(/\\/, "\\e", line); gsub(/-/, "\\-", line); return (line ~ /^[.\047]/ ? "\\&" : "") line }
        function options_begin() { if (!options++) print ".SH OPTIONS" }
        function filled() { if (plain) { print ".fi"; plain = 0 } }
        BEGIN {
            printf ".TH \"%s\" 8 \"\" \"Chalkgate %s\" \"System administration\"\n", toupper(name), version
            printf ".SH NAME\n%s \\- %s\n", text(name), text(summary)
        }
        /^Usage: / { print ".SH SYNOPSIS\n.nf"; plain = 1; sub(/^Usage: /, ""); print text($0); next }
        /^  or:  / { sub(/^  or:  /, ""); print text($0); next }
        /^Mandatory or optional arguments|^for any corresponding short/ { next }
        !described && plain && /^      / { sub(/^ +/, ""); print text($0); next }
        !described && !/^$/ { filled(); print ".SH DESCRIPTION"; described = 1 }
        /^ +-/ && match($0, /^ +-[^ ]+( [^ ]+)*/) {
            filled()
            term = substr($0, 1, RLENGTH); rest = substr($0, RLENGTH + 1)
            sub(/^ +/, "", term); sub(/^ +/, "", rest)
            options_begin()
            printf ".TP\n.B %s\n", text(term)
            if (rest != "") print text(rest)
            next
        }
        /^                    / && options { sub(/^ +/, ""); print text($0); next }
        /^ [A-Z].*:$/ { filled(); options_begin(); sub(/^ /, ""); sub(/:$/, ""); printf ".SS %s\n", text($0); next }
        /^[A-Z][A-Za-z ]*:$/ { filled(); sub(/:$/, ""); printf ".SH %s\n", toupper(text($0)); next }
        /^  / { if (!plain) { print ".nf"; plain = 1 } print text($0); next }
        /^$/ { filled(); print ".PP"; next }
        { filled(); print text($0) }
        END { filled() }
    ' "$out/$name.help" >"$out/$name.8"
    rm "$out/$name.help"
}

# The page of config.yaml, from the table of keys that reads it.
page_of_keys() {
    "$programs/chalkgated" --keys | awk -v version="$version" '
        function text(line) { gsub(/\\/, "\\e", line); gsub(/-/, "\\-", line); return (line ~ /^[.\047]/ ? "\\&" : "") line }
        BEGIN {
            printf ".TH \"CHALKGATE.YAML\" 5 \"\" \"Chalkgate %s\" \"File formats\"\n", version
            print ".SH NAME\nchalkgate.yaml \\- the configuration of Chalkgate, /etc/chalkgate/config.yaml"
            print ".SH DESCRIPTION\nA YAML file. Times are written 10s, 5m, 2h, 7d; sizes 64KiB, 16MiB; dates 2026\\-10\\-26 or " \
                "2026\\-10\\-26..2026\\-10\\-30. An unknown key, a wrong type or a name that nothing has is an error; " \
                "`chalkgated \\-\\-check` tells all of them, with line and column, and `chalkgated \\-\\-print` shows the " \
                "configuration in effect. The shipped file explains itself by comments.\n.SH KEYS"
        }
        match($0, /^- `[^`]*`: /) {
            print ".TP\n.B " text(substr($0, 4, RLENGTH - 6))
            print text(substr($0, RLENGTH + 1))
        }
        END { print ".SH SEE ALSO\nchalkgated(8), chalkgate(8)" }
    ' >"$out/chalkgate.yaml.5"
}

mkdir -p "$out"
page_of_keys
page chalkgate "filtering DNS for schools: lists, policy, denials and reports" "$programs/chalkgate"
page chalkgated "filtering DNS resolver for schools" "$programs/chalkgated"
"$programs/chalkgate" --help | awk '/^Verbs:/ { on = 1; next } on && /^$/ { on = 0 } on && /^  [a-z]/ { print }' |
    while read -r verb summary; do
        page "chalkgate-$verb" "$summary" "$programs/chalkgate" "$verb"
        # A verb of several words, `lists import`, has a page for each of them.
        "$programs/chalkgate" "$verb" --help | sed -n "s/^[^ ]* *chalkgate $verb \([a-z][a-z]*\).*/\1/p" | sort -u |
            while read -r word; do
                page "chalkgate-$verb-$word" "$summary" "$programs/chalkgate" "$verb" "$word"
            done
    done
