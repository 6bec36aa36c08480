#!/bin/sh
# Everything that is tested: installs what is missing, builds, runs all stages
# and ends with "N passed, N failed, N skipped".
#
#	tests/run.sh [stage ...]	stages: build lint unit talk system
#				hunt drivers k8s
cd "$(dirname "$0")/.." || exit 1
top=$(pwd)
# The packages of Debian that the tests use are for its own python3.
PATH=/usr/bin:$PATH
build=$top/build-test
stages=${*:-install build lint unit talk system hunt drivers k8s}
passed=0 failed=0 skipped=0

# Output of a stage is shown only when something in it failed, and what failed
# is named once more at the end.
output=$(mktemp)
names=$(mktemp)
trap 'rm -f "$output" "$names"' EXIT

stage_install() {
	sh tests/install.sh "$@"
}

stage_build() {
	[ -x configure ] || ./autogen.sh || return 1
	mkdir -p "$build" && cd "$build" || return 1
	[ -e Makefile ] || ../configure --enable-werror || return 1
	make -j"$(nproc)" all || return 1
	make -j"$(nproc)" check TESTS= || return 1
	passed=$((passed + 1))
}

stage_lint() {
	for lint in "$top"/tests/lint/*.sh; do
		if sh "$lint"; then
			passed=$((passed + 1))
		else
			echo "failed: $lint"
			failed=$((failed + 1))
		fi
	done
}

# Check says "100%: Checks: 12, Failures: 0, Errors: 0".
count_checks() {
	numbers=$(sed -n 's/.*Checks: \([0-9]*\), Failures: \([0-9]*\), Errors: \([0-9]*\).*/\1 \2 \3/p')
	# shellcheck disable=SC2086
	set -- $numbers
	[ $# -eq 3 ] || return 1
	passed=$((passed + $1 - $2 - $3))
	failed=$((failed + $2 + $3))
	[ $(($2 + $3)) -eq 0 ]
}

# Every program in this folder of the build.
run_checks() {
	cd "$build" || return 1
	bad=
	for test in "$1"/check_*; do
		[ -f "$test" ] && [ -x "$test" ] || continue
		"./$test" >one-test.log 2>&1
		count_checks <one-test.log || {
			cat one-test.log
			echo "failed: $test"
			bad=1
		}
		grep -q Checks: one-test.log || failed=$((failed + 1))
	done
	[ -z "$bad" ]
}

stage_talk() {
	run_checks tests/talk
}

stage_unit() {
	run_checks tests/unit
	if srcdir=$top sh "$top/tests/fuzz/corpus.sh"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
	[ -z "$bad" ]
}

# A program of ours whose last line is "N passed, N failed, N skipped"; what was
# skipped, and why, is shown in any case, what passed in none.
run_counted() {
	log=$build/$1.log
	shift
	"$@" >"$log" 2>&1
	line=$(tail -n 1 "$log")
	# shellcheck disable=SC2046
	set -- $(echo "$line" | tr -dc '0-9 ')
	if [ $# -ne 3 ]; then
		grep -av '^ok ' "$log"
		failed=$((failed + 1))
		return 1
	fi
	passed=$((passed + $1)) failed=$((failed + $2))
	skipped=$((skipped + $3))
	grep -A 1 '^skipped' "$log" >&3
	grep '^passed at the second try' "$log" >&3
	[ "$2" -eq 0 ] || { grep -av '^ok ' "$log"; return 1; }
}

# The same program every time; tests/soak.sh looks for new ones.
stage_hunt() {
	if timeout 120 python3 "$top/tests/leak/hunt.py" --seed 16 \
	    --binary "$build/src/pgweir" --statements 2000; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
}

stage_system() {
	run_counted system python3 "$top/tests/system/run.py" --again \
	    --binary "$build/src/pgweir"
}

stage_drivers() {
	run_counted drivers sh "$top/tests/drivers/run.sh" &&
	    run_counted drivers-cluster sh "$top/tests/drivers/run.sh" \
	    --cluster "psycopg 3" "node pg" drizzle PDO Ruby
}

stage_k8s() {
	run_counted k8s python3 "$top/tests/k8s/run.py" \
	    --binary "$build/src/pgweir"
}

exec 3>&1
for stage in $stages; do
	start=$(date +%s)
	before=$failed
	cd "$top" || exit 1
	if "stage_$stage" >"$output" 2>&1 && [ "$failed" = "$before" ]; then
		result=ok
	else
		result=FAILED
		[ "$failed" != "$before" ] || failed=$((failed + 1))
		cat "$output"
		grep '^failed: ' "$output" >>"$names" ||
		    echo "failed: $stage" >>"$names"
	fi
	printf '%-8s %-6s %4d s\n' "$stage" "$result" \
	    $(($(date +%s) - start))
	[ "$stage" != build ] || [ "$result" = ok ] || break
done
cat "$names"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
