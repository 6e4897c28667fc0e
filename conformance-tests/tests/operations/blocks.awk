# The commands of docs/operations.md that are marked `want`, as one script for bash: the blocks
# ```want, and the comments <!-- stage want and <!-- check want, which set the stage and look at what
# came of it. Before each stands where it comes from.
#
#   awk -v want="sh root" -f blocks.awk docs/operations.md
BEGIN {
    print "set -euo pipefail"
    # Asks a command until it prints the status.
    print "until_status() {"
    print "    local attempt"
    print "    for attempt in $(seq 150); do"
    print "        [ \"$(bash -c \"$2\")\" = \"$1\" ] && return 0"
    print "        sleep 0.2"
    print "    done"
    print "    echo \"no status $1 in time: $2\" >&2"
    print "    return 1"
    print "}"
}
function begin(marker) {
    is_wanted = marker == want
    if (is_wanted) printf "echo '== operations.md:%d' >&2\n", NR
}
place == "" && /^```/ { place = "block"; begin(substr($0, 4)); next }
place == "" && /^<!-- (stage|check) / { place = "comment"; begin(substr($0, 12)); next }
place == "block" && /^```$/ { place = ""; next }
place == "comment" && /^-->$/ { place = ""; next }
place != "" && is_wanted
