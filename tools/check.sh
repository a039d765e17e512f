#!/bin/sh
# Every check and the whole test suite, cheapest first. `make test` calls it once both environments are there.
# The last step is the largest, so that the last lines are its summary; arguments go to that pytest.
set -eu
cd "$(dirname "$0")/.."

app=.venv/app/bin
out=$(mktemp -d)
trap 'kill "${inside_rasa:-}" 2>/dev/null || :; rm -rf "$out"' EXIT

# Rasa's libraries are of their time: silent about deprecations, one thread (two are slower), nothing sent home.
in_rasa() {
    env PYTHONWARNINGS=ignore SQLALCHEMY_SILENCE_UBER_WARNING=1 TF_CPP_MIN_LOG_LEVEL=3 \
        OMP_NUM_THREADS=1 RASA_TELEMETRY_ENABLED=false .venv/rasa/bin/python -m "$@"
}

await_inside_rasa() {
    code=0
    wait "$inside_rasa" || code=$?
    cat "$out/inside-rasa.txt"
    return "$code"
}

began=$(date +%s)
step() {
    printf '\n== %s (%s s so far)\n' "$1" "$(($(date +%s) - began))"
    shift
    "$@"
}

step 'ruff: mistakes' "$app/ruff" check .
step 'ruff: formatting' "$app/ruff" format --check .
step 'mypy: front desk and actions' "$app/mypy"
if [ -n "${CI:-}" ]; then
    step 'audit: known vulnerabilities of dependencies' "$app/python" tools/audit.py
fi
# Beside what trains and asks the model: each of the two keeps one processor busy.
in_rasa pytest --confcutdir tests/bot tests/bot >"$out/inside-rasa.txt" 2>&1 &
inside_rasa=$!
step 'train' ./ketalink train
step 'conversation tests' in_rasa rasa test core --e2e --stories tests/conversations \
    --fail-on-prediction-errors --no-plot --out "$out"
step 'does it understand as well as before' ./ketalink evaluate --gate tests/understanding/gate.yml
step 'tests of what runs inside Rasa, rasa data validate among them' await_inside_rasa
# A file a processor: what is shared in a module is made once.
step 'all other tests' "$app/python" -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder "$@"
